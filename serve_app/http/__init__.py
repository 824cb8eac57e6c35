"""The HTTP entrance: a pure ASGI application around the gateway. It imports no Ray."""
