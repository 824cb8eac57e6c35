"""Parameters in the query: which of them a route reads."""

from collections.abc import Callable
from typing import Any, TypeVar

from starlette.types import Scope

Handler = TypeVar("Handler", bound=Callable[..., Any])
_MARK = "reads_in_query"
EVERYTHING = "*"


def reads_query(*names: str) -> Callable[[Handler], Handler]:
    """Decorator of a route's handler that reads these parameters. ``X-Ignored-Fields`` names all others."""

    def mark(handler: Handler) -> Handler:
        setattr(handler, _MARK, frozenset(names))
        return handler

    return mark


def is_read(name: str, scope: Scope) -> bool:
    """Whether the handler that a request was routed to reads this parameter."""
    names: frozenset[str] = getattr(scope.get("endpoint"), _MARK, frozenset())
    return name in names or EVERYTHING in names
