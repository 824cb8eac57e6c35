"""Speaks one text into one place."""

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import click

from media.encode import AudioFormat
from serve_app.cli.progress import Bar
from serve_app.cli.servers import ModelOptions, choose_client
from serve_app.cli.speech.remote import RemoteSpeaker
from serve_app.cli.speech.sound import SpeechWriter, Spoken


class SpeechClient(Protocol):
    """Speaks."""

    async def speak(self, body: Mapping[str, Any], writer: SpeechWriter) -> Spoken:
        """Give all samples to ``writer``. ``body`` has fields of the speech route, those of its container apart.

        Raises AntiphonError with a sentence.
        """
        ...


CUT = (
    "Warning: a segment of the text reached its bound, so its end is missing, or it is not what it should be. Try "
    "another --seed, a smaller --chunk-length, or more --max-new-tokens."
)

OpenSpeechClient = Callable[[Bar], AbstractAsyncContextManager[SpeechClient]]


def choose_speaker(options: ModelOptions) -> OpenSpeechClient:
    """A server, or this process where there is none. Raises UsageError."""

    def local(options: ModelOptions, bar: Bar) -> AbstractAsyncContextManager[SpeechClient]:
        from serve_app.cli.speech.local import LocalSpeaker  # imports Ray and PyTorch

        return LocalSpeaker(options, bar)

    return choose_client(options, RemoteSpeaker, local)


@dataclass(frozen=True, slots=True)
class SpeakArguments:
    """What the command line asks for; a target of None is standard output. ``bit_rate`` in bits per second.

    ``verbose`` writes the pace and the seed for whoever reads standard error, else only to people at a terminal.
    """

    body: Mapping[str, Any]
    target: Path | None
    kind: AudioFormat
    bit_rate: int | None
    verbose: bool = False


async def speak_text(open_speaker: OpenSpeechClient, arguments: SpeakArguments) -> None:
    """Do it, and say on standard error what was done. Raises AntiphonError with a sentence."""
    watched = sys.stderr.isatty()
    with (
        Bar("audio s", shown=watched) as bar,
        SpeechWriter(arguments.target, arguments.kind, arguments.bit_rate, bar) as writer,
    ):
        async with open_speaker(bar) as speaker:
            began = time.monotonic()
            spoken = await speaker.speak(arguments.body, writer)
            writer.finish()
            took = time.monotonic() - began
    if spoken.cut:
        click.echo(CUT, err=True)
    if not (watched or arguments.verbose):
        return
    pace = spoken.frames / max(took, 1e-3)
    click.echo(
        f"{writer.seconds:.1f} s of speech in {took:.1f} s, {pace:.1f} frames/s, seed {spoken.seed}", err=True
    )
