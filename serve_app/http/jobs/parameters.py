"""Parameters in the query of the job API."""

from starlette.requests import Request

from deployments.errors import InvalidRequest
from serve_app.fields.form_values import FALSE, TRUE, quoted

LONGEST_NUMBER = 15  # digits


def whole(request: Request, name: str, default: int, low: int, high: int, unit: str = "") -> int:
    """A whole number within a range, the default if it is absent or empty. Raises InvalidRequest."""
    text = request.query_params.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER and low <= int(text) <= high):
        raise InvalidRequest(
            f"`{name}` has to be a whole number from {low} to {high}{unit}, not {quoted(text)}.", param=name
        )
    return int(text)


def milliseconds(request: Request, name: str, low: int, high: int) -> float | None:
    """A time in milliseconds as seconds, None if it is absent. Raises InvalidRequest."""
    value = whole(request, name, -1, low, high, " milliseconds")
    return None if value < 0 else value / 1_000


def flag(request: Request, name: str, *, default: bool) -> bool:
    """A switch. Raises InvalidRequest."""
    text = request.query_params.get(name, "").strip().lower()
    if not text:
        return default
    if text not in TRUE | FALSE:
        raise InvalidRequest(f"`{name}` has to be true or false, not {quoted(text)}.", param=name)
    return text in TRUE
