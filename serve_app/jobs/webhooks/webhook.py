"""A webhook: as a contract promises it, and as a row of the queue. Times are Unix seconds."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from media.errors import ForbiddenUrl
from media.web import parse_url
from serve_app.contracts.contract import Notice
from serve_app.jobs.webhooks.signature import encode

State = Literal["pending", "delivered", "dead"]
Row = dict[str, Any]
LONGEST_URL = 8_192  # characters
LARGEST_BODY = 4 * 1024**2


@dataclass(frozen=True, slots=True)
class Webhook:
    """One row. ``number`` is its place in the order of its owner, a job; ``attempts`` how often it was begun;
    ``lease_until`` is also the token of the attempt that may write.
    """

    id: str
    owner: str
    number: int
    url: str = field(repr=False)
    event: str
    body: str = field(repr=False)
    state: State
    attempts: int
    next_at: float
    lease_until: float
    created: float
    finished: float | None
    last_status: int | None
    last_error: str | None

    @property
    def destination(self) -> str:
        """What deliveries share that may block each other: scheme, host and port, with a slash."""
        return destination(self.url)


def destination(url: str) -> str:
    """The same of a URL as the rows have it, which is a prefix of it."""
    return "/".join(url.split("/", 3)[:3]) + "/"


def rows_of(owner: str, notices: Iterable[Notice], now: float) -> list[Row]:
    """Rows for ``queue.add``, their bodies encoded, which may take a while. One whose URL cannot be called is dead
    from the start.
    """
    return [_row(owner, notice, now) for notice in notices]


def body_of(payload: Mapping[str, Any]) -> str:
    """The body of a webhook. What makes it larger than receivers take is null in it, and ``truncated`` says so."""
    body = encode(payload)
    while len(body) > LARGEST_BODY:
        sizes = {key: len(encode({key: value})) for key, value in payload.items() if value is not None}
        largest = max(sizes, key=sizes.__getitem__)
        payload = {**payload, largest: None, "truncated": True}
        body = encode(payload)
    return body


def _row(owner: str, notice: Notice, now: float) -> Row:
    row: Row = {
        "id": f"msg_{uuid.uuid4().hex}",
        "owner": owner,
        "url": notice.url,
        "event": notice.event[:64],
        "body": body_of(notice.payload),
        "state": "pending",
        "attempts": 0,
        "next_at": now,
        "lease_until": 0.0,
        "created": now,
        "finished": None,
        "last_error": None,
    }
    try:
        if len(notice.url) > LONGEST_URL:
            raise ForbiddenUrl(f"The URL is longer than {LONGEST_URL} characters.")
        url = parse_url(notice.url, use="called")
        return {**row, "url": f"{url.scheme}://{url.netloc.decode()}{url.raw_path.decode()}"}
    except ForbiddenUrl as error:
        # What is no URL may hold characters that a database cannot store.
        shown = notice.url[:LONGEST_URL].encode("ascii", "backslashreplace").decode().replace("\0", "\\x00")
        return {**row, "url": shown, "state": "dead", "finished": now, "last_error": error.message}
