"""The HTTP application: pure ASGI around the gateway, without Ray."""
