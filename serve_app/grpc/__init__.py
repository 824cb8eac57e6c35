"""The gRPC services: a file per task, their protocols in ``protos``; ``docs/grpc.md`` is for users."""

from serve_app.grpc.services import add_services

__all__ = ["add_services"]
