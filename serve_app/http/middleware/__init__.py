"""What every request passes before its route. Plain ASGI: Starlette's base class for middleware breaks streams."""
