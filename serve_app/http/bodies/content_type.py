"""The content type of a request's body."""

import codecs
import contextlib

from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from serve_app.http.errors import UnsupportedMedia


def body_type(request: Request, charsets: frozenset[str]) -> str:
    """The content type in lower case without its parameters, empty if there is none.

    ``charsets`` are Python's names of those that the route reads. Raises UnsupportedMedia for any other one:
    Python has codecs that decode at the price of a denial of service, or raise what nobody expects. The same for a
    compressed body, which may hold any amount of data.
    """
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.strip().lower() not in ("", "identity"):
        raise UnsupportedMedia("The request body is compressed; send it as it is, without a Content-Encoding.")
    kind, options = parse_options_header(request.headers.get("content-type"))
    charset = options.get(b"charset", b"utf-8")
    with contextlib.suppress(LookupError, ValueError):
        if codecs.lookup(charset.decode("latin-1")).name in charsets:
            return kind.lower().decode("latin-1")
    raise UnsupportedMedia("The charset of the request body has to be utf-8.")


def shown_type(kind: str) -> str:
    """A content type as error messages show it."""
    return kind[:100] or "without a content type"
