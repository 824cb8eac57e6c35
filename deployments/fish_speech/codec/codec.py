"""What the engine needs of a codec: recordings to codes, codes to sound.

A codec is one of ``v15.firefly`` (fish-speech 1.5), ``v11.vqgan`` or ``v11.vits`` (fish-speech 1.1).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import torch
from torch import Tensor

LOUDEST = 1_000.0  # full scale is 1; from about 1e18 on the spectrum overflows


@dataclass(frozen=True, slots=True)
class Condition:
    """What one item of a batch is decoded with, beside its codes. Firefly needs nothing of it.

    ``seed`` in [0, 2**63) draws the noise of the 1.1 decoders, the same on every device. ``text`` has the int
    token ids of what is spoken, of shape (tokens,), which VITS cannot do without. ``speaker`` is VITS's
    ``speaker_embedding`` of a recording; None is a vector of zeros, as in the original.
    """

    seed: int = 0
    text: Tensor | None = None
    speaker: Tensor | None = None


class Codec(Protocol):
    """A neural audio codec. Attributes are fixed once it is loaded.

    ``sample_rate`` is in Hz, ``frame_samples`` how many samples a frame of ``codebooks`` codes stands for. Codes
    are below ``codebook_entries``. ``shortest_samples`` is the shortest recording that ``encode`` takes.

    ``left_context`` tells how a stream is decoded exactly: with that many frames before the new ones as
    ``context``. None: what is spoken in one has to be decoded in one.
    """

    @property
    def sample_rate(self) -> int: ...
    @property
    def frame_samples(self) -> int: ...
    @property
    def codebooks(self) -> int: ...
    @property
    def codebook_entries(self) -> int: ...
    @property
    def shortest_samples(self) -> int: ...
    @property
    def left_context(self) -> int | None: ...

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        """Move everything; what decodes computes in ``dtype`` from now on, what encodes in float32 always.

        The way from a narrow type to a wider one does not bring back what was rounded off.
        """
        ...

    def encode(self, audio: Tensor) -> Tensor:
        """Int32 codes (codebooks, frames) of float32 ``audio`` (samples,), full scale 1, at ``sample_rate``.

        Takes audio of any device and answers on the codec's. The last frame may stand for less than
        ``frame_samples``. Raises ValueError for audio of another shape, shorter than ``shortest_samples``, or with
        values that are no samples (NaN, beyond 1,000).
        """
        ...

    def full_frames(self, samples: int) -> int:
        """How many of ``encode``'s frames lie wholly within a recording of so many samples."""
        ...

    def decode(self, codes: Tensor, conditions: Sequence[Condition] | None = None, *, context: int = 0) -> Tensor:
        """Float32 sound (batch, (frames - context) * frame_samples) in [-1, 1].

        ``codes`` are integers (batch, codebooks, frames); those outside the codebook are taken as its first or
        last entry. The first ``context`` frames are not made sound of, and cost little where ``left_context`` is
        not None. ``conditions`` has one for each of the batch; None is ``Condition()`` for all. Raises ValueError
        for codes of another shape or type, for conditions that do not fit, or for more context than frames.
        """
        ...


def check_audio(audio: Tensor, shortest: int) -> None:
    """Raise ValueError unless ``audio`` is what ``Codec.encode`` takes."""
    if audio.dim() != 1 or not audio.is_floating_point():
        raise ValueError(f"Audio has to be floats of shape (samples,), not {audio.dtype} of {tuple(audio.shape)}.")
    if audio.shape[0] < shortest:
        raise ValueError(f"Audio of {audio.shape[0]} samples is too short: the codec needs at least {shortest}.")
    if not bool(audio.abs().max() <= LOUDEST):  # false for NaN, too
        raise ValueError("Audio has values that are no samples: NaN, infinite, or far beyond full scale.")


def check_codes(
    codes: Tensor, codebooks: int, conditions: Sequence[Condition] | None, context: int
) -> Sequence[Condition]:
    """Raise ValueError unless these are what ``Codec.decode`` takes. Returns one condition for each item."""
    if codes.dim() != 3 or codes.shape[1] != codebooks:
        raise ValueError(f"Codes have to be of shape (batch, {codebooks}, frames), not {tuple(codes.shape)}.")
    if codes.is_floating_point() or codes.is_complex() or codes.dtype == torch.bool:
        raise ValueError(f"Codes have to be integers, not {codes.dtype}.")
    if not 0 <= context <= codes.shape[2]:
        raise ValueError(f"The context cannot be {context} of {codes.shape[2]} frames.")
    if conditions is None:
        return [Condition()] * codes.shape[0]
    if len(conditions) != codes.shape[0]:
        raise ValueError(f"There are {len(conditions)} conditions for {codes.shape[0]} items.")
    return conditions


def gaussian_noise(shape: Sequence[int], conditions: Sequence[Condition]) -> Tensor:
    """Float32 noise (batch, *shape) on the CPU, each item's drawn with the seed of its condition.

    Whatever the device and whatever else is in the batch, a seed gives the same noise.
    """
    drawn = [torch.randn(*shape, generator=torch.Generator().manual_seed(item.seed)) for item in conditions]
    return torch.stack(drawn) if drawn else torch.zeros(0, *shape)
