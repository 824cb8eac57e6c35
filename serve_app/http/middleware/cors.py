"""Requests of web pages of other origins."""

from collections.abc import Sequence

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
# What scripts may read of an answer beside its type and length.
EXPOSED = (
    *("Retry-After", "WWW-Authenticate", "x-request-id", "x-should-retry"),
    *("X-Ignored-Fields", "X-Sample-Rate", "X-Seed", "X-Judged-Pieces", "X-Cut"),
)
KEPT_S = 600


def cors(origins: Sequence[str]) -> list[Middleware]:
    """Middleware that lets pages of these origins (``*``: any) call the API; nothing without an origin.

    Keys are sent in a header by scripts that know them. No browser is allowed to send what it knows by itself
    (cookies, client certificates), so a page can do no more than anybody with the same key.
    """
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=METHODS,
            allow_headers=["*"],
            allow_credentials=False,
            allow_private_network=True,
            expose_headers=EXPOSED,
            max_age=KEPT_S,
        )
    ]
