"""``antiphon models``: what a running server serves."""

import sys
from collections.abc import Iterable
from typing import Any

import click


@click.command()
@click.option(
    "--server",
    "url",
    default="http://127.0.0.1:8000",
    show_default=True,
    envvar="ANTIPHON_SERVER",
    help="The server.",
)
@click.option("--api-key", envvar="ANTIPHON_API_KEY", help="If the server wants one; best set ANTIPHON_API_KEY.")
def models(url: str, api_key: str | None) -> None:
    """List the models of a running server with their state and names."""
    import httpx

    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    try:
        response = httpx.get(f"{url.rstrip('/')}/v1/models", headers=headers, timeout=10)
        response.raise_for_status()
        entries = response.json()["data"]
    except httpx.HTTPStatusError as error:
        sys.exit(f"{url} answered {error.response.status_code}: {_sentence(error.response)}")
    except httpx.HTTPError as error:
        sys.exit(f"{url} cannot be reached: {error}")
    except (ValueError, KeyError, TypeError):
        sys.exit(f"{url} does not speak the OpenAI API")
    rows = [("model", "state", "task", "source", "also known as"), *map(_row, entries)]
    for line in table(rows):
        click.echo(line)


def table(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Rows as lines with aligned columns."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    state = entry.get("state") or {}
    phase, progress = str(state.get("phase") or "-"), state.get("progress")
    shown = f"{phase} {progress:.0%}" if phase == "downloading" and progress is not None else phase
    source = entry.get("source") or " ".join(entry.get("on_demand") or ()) or "-"
    return (entry["id"], shown, str(entry.get("task") or "-"), source, " ".join(entry.get("aliases") or ()))


def _sentence(response: Any) -> str:
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return str(response.reason_phrase)
