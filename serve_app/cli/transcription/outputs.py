"""Where transcripts go."""

from collections.abc import Sequence
from pathlib import Path

import click

from serve_app.cli.transcription.inputs import AudioInput
from serve_app.cli.transcription.results import ENDINGS
from serve_app.tasks.transcription.formats import TranscriptFormat


def targets(inputs: Sequence[AudioInput], output: Path | None, kind: TranscriptFormat) -> list[Path | None]:
    """A file for every input; None is standard output. ``output`` is a folder if it is one, ends like one, or
    has to hold several files, which are then named after their inputs.

    Raises UsageError if two inputs would be written to one file.
    """
    if output is None:
        return [None] * len(inputs)
    if len(inputs) == 1 and not output.is_dir():
        return [output]
    if output.exists() and not output.is_dir():
        raise click.UsageError(f"--output {output} is a file; several inputs need a folder.")
    files = [output / f"{each.stem}{ENDINGS[kind]}" for each in inputs]
    for each in files:
        if files.count(each) > 1:
            raise click.UsageError(f"Two inputs would be written to {each}; transcribe them one by one.")
    return list(files)


class TranscriptWriter:
    """A file, or standard output, that takes a text which grows."""

    def __init__(self, target: Path | None) -> None:
        self._target = target
        self._written: int | None = None

    def show(self, text: str) -> None:
        """Write what of ``text`` is not written yet; it begins with what was shown before."""
        rest = text[self._written or 0 :]
        if self._target is None:
            click.echo(rest, nl=False)
        else:
            self._target.parent.mkdir(parents=True, exist_ok=True)
            with self._target.open("w" if self._written is None else "a", encoding="utf-8", newline="") as file:
                file.write(rest)
        self._written = len(text)
