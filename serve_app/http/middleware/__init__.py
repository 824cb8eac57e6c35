"""What every request passes before its route, as plain ASGI: keys, limits, slashes, origins."""
