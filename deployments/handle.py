"""What is used of a Serve deployment handle. Tests and replicas in one process have the same shape."""

from typing import Any, Protocol


class Handle(Protocol):
    """The part of a Serve deployment handle that is used."""

    def options(self, *, stream: bool) -> Any:
        """A handle whose calls return async generators."""

    def __getattr__(self, method: str) -> Any:
        """A method; its ``.remote(...)`` starts a call."""
