"""Speech on its way into a file or to standard output."""

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, get_args

import click
import numpy as np
from numpy.typing import NDArray

from media.encode import EXTENSIONS, AudioEncoder, AudioFormat
from serve_app.cli.progress import Bar

FORMATS: tuple[AudioFormat, ...] = get_args(AudioFormat)
OTHER_EXTENSIONS: dict[str, AudioFormat] = {".ogg": "opus", ".oga": "opus", ".raw": "pcm"}


def format_of(target: Path | None, wanted: AudioFormat | None) -> AudioFormat:
    """The wanted format, else the one that the file's ending says; standard output gets wav. Raises UsageError."""
    if wanted is not None or target is None:
        return wanted or "wav"
    endings = {**OTHER_EXTENSIONS, **{ending: kind for kind, ending in EXTENSIONS.items()}}
    kind = endings.get(target.suffix.lower())
    if kind is None:
        raise click.UsageError(f"--output {target} ends like no format; add --format, or end it in .wav or .mp3.")
    return kind


@dataclass(frozen=True, slots=True)
class Spoken:
    """What is known of speech when it is over: the seed that repeats it, its frames, whether a segment was cut."""

    seed: int
    frames: int
    cut: bool = False


class SpeechWriter:
    """Takes samples and writes them as they come, or as a whole file with all that its header can tell.

    ``target`` None is standard output, which is written to as early as the format allows. A file is made when it
    is complete.
    """

    def __init__(self, target: Path | None, kind: AudioFormat, bit_rate: int | None, bar: Bar) -> None:
        self._target, self._kind, self._bit_rate, self._bar = target, kind, bit_rate, bar
        self._encoder: AudioEncoder | None = None
        self._rate = self._samples = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._encoder is not None:
            self._encoder.close()

    @property
    def seconds(self) -> float:
        """What was taken so far."""
        return self._samples / self._rate if self._rate else 0.0

    def add(self, samples: NDArray[np.float32], rate: int) -> None:
        """Take the next samples, all of the same rate in Hz. Raises ClientError for an impossible bit rate."""
        if self._encoder is None:
            self._rate = rate
            self._encoder = AudioEncoder(self._kind, rate, bit_rate=self._bit_rate, streamed=self._target is None)
        self._samples += len(samples)
        self._write(self._encoder.write(samples))
        self._bar.advance(len(samples) / rate)

    def finish(self) -> None:
        """Write the rest."""
        assert self._encoder is not None
        data = self._encoder.finish()
        if self._target is None:
            self._write(data)
            return
        self._target.parent.mkdir(parents=True, exist_ok=True)
        self._target.write_bytes(data)

    def _write(self, data: bytes) -> None:
        if data:
            click.echo(data, nl=False)
