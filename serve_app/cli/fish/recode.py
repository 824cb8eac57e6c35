"""Recordings to codes, and codes to recordings, by a codec alone."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from deployments.errors import InvalidRequest
from deployments.fish_speech.codec.codec import Codec, Condition
from media.decode import AudioDecoder
from serve_app.cli.fish.codes import Codes

WINDOW = 256  # frames that are decoded in one, where a codec lets them be

Samples = NDArray[np.float32]


def read_sound(path: Path, sample_rate: int) -> Samples:
    """All of a recording, float32 mono. Raises UndecodableAudio."""
    with path.open("rb") as file, AudioDecoder(file, sample_rate=sample_rate) as decoder:
        return np.concatenate(list(decoder))


def encode(codec: Codec, samples: Samples) -> Codes:
    """Codes of all frames, the last one too, which may not be full. Raises InvalidRequest."""
    try:
        codes: Codes = codec.encode(torch.from_numpy(samples)).cpu().numpy()
    except ValueError as error:
        raise InvalidRequest(str(error)) from error
    return codes


def decode(codec: Codec, codes: Codes, condition: Condition, on_frames: Callable[[int], None]) -> Samples:
    """The sound of codes. Raises InvalidRequest for codes that the codec does not have."""
    if codes.shape[0] != codec.codebooks or codes.min() < 0 or codes.max() >= codec.codebook_entries:
        raise InvalidRequest(
            f"This codec has {codec.codebooks} codebooks of {codec.codebook_entries} entries, but the codes are "
            f"{codes.shape[0]} rows of numbers from {codes.min()} to {codes.max()}."
        )
    frames = codes.shape[1]
    context = codec.left_context
    window = frames if context is None else WINDOW
    parts: list[Samples] = []
    for start in range(0, frames, window):
        before = min(start, context or 0)
        part = torch.from_numpy(codes[None, :, start - before : start + window])
        sound: Samples = codec.decode(part, [condition]).float().cpu().numpy()[0]
        parts.append(sound[before * codec.frame_samples :])
        on_frames(min(window, frames - start))
    return np.concatenate(parts)
