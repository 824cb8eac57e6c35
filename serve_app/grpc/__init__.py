"""The gRPC entrance. Its protocols are under ``protos``; ``docs/grpc.md`` shows them from outside."""

from serve_app.grpc.services import add_services

__all__ = ["add_services"]
