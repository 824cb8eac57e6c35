"""Speaks one text into one place."""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from media.encode import AudioFormat
from serve_app.cli.progress import Bar
from serve_app.cli.speech.sound import Sound
from serve_app.cli.speech.ways import Way


@dataclass(frozen=True, slots=True)
class Job:
    """What the command line asks for; a target of None is standard output. ``bit_rate`` in bits per second.

    ``verbose`` tells the pace and the seed to whoever reads standard error, else only to people at a terminal.
    """

    body: Mapping[str, Any]
    target: Path | None
    kind: AudioFormat
    bit_rate: int | None
    verbose: bool = False


async def speak_text(way: Way, job: Job) -> None:
    """Do it, and say on standard error what was done. Raises AntiphonError with a sentence."""
    watched = sys.stderr.isatty()
    with Bar("audio s", shown=watched) as bar, Sound(job.target, job.kind, job.bit_rate, bar) as sound:
        async with way(bar) as speaker:
            began = time.monotonic()
            spoken = await speaker.speak(job.body, sound)
            sound.finish()
            took = time.monotonic() - began
    if not (watched or job.verbose):
        return
    pace = spoken.frames / max(took, 1e-3)
    click.echo(
        f"{sound.seconds:.1f} s of speech in {took:.1f} s, {pace:.1f} frames/s, seed {spoken.seed}", err=True
    )
