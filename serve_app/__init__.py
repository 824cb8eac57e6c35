"""The application around the models: configuration, gateway, entrances, command line."""

from typing import Any

__all__ = ["build"]


def __getattr__(name: str) -> Any:
    """``build`` on demand: importing the package must not import Ray."""
    if name == "build":
        from serve_app.graph.app import build

        return build
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
