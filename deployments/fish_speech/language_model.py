"""A checkpoint of a dual-autoregressive model, by the original's names, made into a network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deployments.fish_speech.dual_ar import DualAR
from deployments.fish_speech.dual_ar_config import DualARConfig
from deployments.fish_speech.frame_rules import FrameRules
from deployments.fish_speech.state_dict import build, read_state_dict

WRAPPER = "model."  # what training puts before every name
JOINED = {"wqkv": ("wq", "wk", "wv"), "w13": ("w1", "w3")}


class Prompts(Protocol):
    """Text and codes to columns, int32 of shape (1 + codebooks, any). Each version has its own."""

    def opening(self, references: Sequence[tuple[str, NDArray[np.int32]]]) -> NDArray[np.int32]:
        """What every segment's prompt begins with: transcripts with codes (codebooks, frames)."""

    def segment(self, text: str, speaker: str | None = None) -> NDArray[np.int32]:
        """A text to be spoken, up to where speech begins."""

    def past(self, columns: NDArray[np.int32]) -> NDArray[np.int32]:
        """What was said for a segment, as the past of the next one."""

    def text_ids(self, text: str) -> NDArray[np.int64]:
        """Tokens of a text alone."""


@dataclass(frozen=True, slots=True, eq=False)
class LanguageModel:
    """A network, what it is asked with, and how its frames are drawn."""

    network: DualAR
    prompts: Prompts
    rules: FrameRules


def read_language_model(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by their names in ``DualAR``. Raises ModelUnavailable for a file that is none."""
    state = read_state_dict(path)
    if not any(name == "embeddings.weight" for name in state):
        state = {name.removeprefix(WRAPPER): tensor for name, tensor in state.items()}
    return joined(state)


def joined(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state in which matrices that read the same input are one, as ``DualAR`` has them."""
    found = dict(state)
    for name in state:
        for whole, parts in JOINED.items():
            for kind in ("weight", "bias"):
                ending = f".{parts[0]}.{kind}"
                if name.endswith(ending):
                    stem = name.removesuffix(ending)
                    names = [f"{stem}.{part}.{kind}" for part in parts]
                    if all(one in state for one in names):
                        found[f"{stem}.{whole}.{kind}"] = torch.cat([found.pop(one) for one in names])
    return found


def make_language_model(
    config: DualARConfig,
    semantic: range | None,
    state: Mapping[str, Tensor],
    source: Path,
    device: torch.device,
    dtype: torch.dtype,
) -> DualAR:
    """The network on a device.

    Raises ModelUnavailable for tensors that are missing or do not fit; ``source`` is the file that it names.
    """
    return build(DualAR, config, semantic, state=state, source=source).to(device, dtype)
