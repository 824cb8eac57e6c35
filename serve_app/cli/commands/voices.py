"""``antiphon voices``: the library of voices of a running server."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from serve_app.cli.commands.models import table
from serve_app.cli.progress import Bar
from serve_app.cli.running import run
from serve_app.cli.servers import DEFAULT_SERVER, server_url
from serve_app.cli.speech.library import VoiceLibraryClient
from serve_app.cli.speech.transcripts import beside, text_of

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def voices() -> None:
    """List the voices of a running server, add to them, delete them.

    The API key for a server comes from ANTIPHON_API_KEY.
    """


def _place(command: Callable[..., None]) -> Callable[..., None]:
    """The options that name the library."""
    server = click.option(
        "--server", envvar="ANTIPHON_SERVER", default=DEFAULT_SERVER, show_default=True, help="The server."
    )
    model = click.option("--model", help="The speech model whose library it is; the default model if absent.")
    return server(model(command))


@voices.command("list")
@_place
def listing(server: str, model: str | None) -> None:
    """All voices: their ids, names, languages and recordings."""
    kept = _ask(server, model, lambda client: client.list())
    rows = [("voice", "name", "languages", "recordings", "")]
    rows += [
        (
            voice["id"],
            voice["name"],
            " ".join(voice["languages"]) or "-",
            str(len(voice["texts"])),
            "shipped" if voice["shipped"] else "",
        )
        for voice in kept
    ]
    for line in table(rows):
        click.echo(line)


@voices.command()
@click.argument("name")
@click.argument("recordings", type=FILE, nargs=-1, required=True, metavar="RECORDING...")
@click.option(
    "--text",
    "texts",
    multiple=True,
    help="What is said in a recording, or a text file with that; once for each. If absent, the .lab or .txt files "
    "beside the recordings, else the server writes it down.",
)
@click.option("--id", "voice_id", help="The id by which to ask for the voice; the name if absent.")
@click.option("--description", help="Any words about it.")
@click.option("--language", "languages", multiple=True, help="What it speaks; may be repeated.")
@click.option("--tag", "tags", multiple=True, help="A label to find it by; may be repeated.")
@_place
def add(
    name: str,
    recordings: tuple[Path, ...],
    texts: tuple[str, ...],
    voice_id: str | None,
    description: str | None,
    languages: tuple[str, ...],
    tags: tuple[str, ...],
    server: str,
    model: str | None,
) -> None:
    """Keep a voice, made of recordings of ten to thirty seconds in all. Prints what the server wrote down."""
    if texts and len(texts) != len(recordings):
        raise click.UsageError(
            f"There are {len(recordings)} recordings and {len(texts)} --text; give one for each."
        )
    said = [text_of(text) for text in texts] or _beside(recordings)
    given = {"id": voice_id, "description": description, "languages": list(languages), "tags": list(tags)}
    fields = {"name": name, **{key: value for key, value in given.items() if value}}
    made = _ask(server, model, lambda client: client.add(recordings, said, fields))
    if not said:  # somebody should read it
        click.echo("\n".join(made["texts"]))


@voices.command()
@click.argument("ids", nargs=-1, required=True, metavar="VOICE...")
@_place
def delete(ids: tuple[str, ...], server: str, model: str | None) -> None:
    """Delete voices by their ids."""
    failed = False
    for voice_id in ids:
        try:
            _ask(server, model, lambda client, one=voice_id: client.delete(one))  # type: ignore[misc]
        except click.ClickException as error:
            failed = True
            error.show()
    sys.exit(1 if failed else 0)


def _beside(recordings: tuple[Path, ...]) -> list[str]:
    """The transcripts beside recordings, if each has one."""
    texts = [beside(recording) for recording in recordings]
    return [] if None in texts else [text for text in texts if text is not None]


def _ask(server: str, model: str | None, call: Callable[[VoiceLibraryClient], Any]) -> Any:
    """What the server answers to a call. Raises ClickException with a sentence."""
    url = server_url(server or DEFAULT_SERVER)

    async def asked() -> Any:
        with Bar("", shown=False) as bar:
            async with VoiceLibraryClient(url, model, bar) as client:
                return await call(client)

    return run(asked())
