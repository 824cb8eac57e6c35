"""A folder of fish-speech -> everything that speaks: which version it is, is told by its files."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from deployments.errors import ModelUnavailable
from deployments.fish_speech.codec import Codec
from deployments.fish_speech.dual_ar import DualAR
from deployments.fish_speech.frame_rules import FrameRules
from deployments.fish_speech.language_model import Prompts
from deployments.fish_speech.text import clean, clean_v11, split
from deployments.fish_speech.v11.checkpoint import load_language_model as load_v11
from deployments.fish_speech.v11.vits import load_vits
from deployments.fish_speech.v11.vqgan import load_vqgan
from deployments.fish_speech.v15.checkpoint import CONFIG
from deployments.fish_speech.v15.checkpoint import load_language_model as load_v15
from deployments.fish_speech.v15.firefly import load_firefly
from deployments.fish_speech.v15.tokenizer import RANKS

Columns = NDArray[np.int32]
Decoder = Literal["auto", "vits", "vqgan"]

FIREFLY = "firefly*.pth"
LANGUAGE_MODEL, VQGAN, VITS, VOCODER = "text2semantic*.pth", "vq-gan*.pth", "vits*.ckpt", "firefly*.ckpt"


@dataclass(frozen=True, slots=True, eq=False)
class SpeechModel:
    """A loaded model of either version. ``clean`` makes a text what the model reads."""

    version: Literal["1.5", "1.1"]
    network: DualAR
    rules: FrameRules
    prompts: Prompts
    codec: Codec
    clean: Callable[[str], str]

    def pieces(self, text: str, length: int) -> list[str]:
        """Segments of about ``length`` bytes; 0 is one."""
        return split(self.clean(text), length)

    def heard(self, columns: Columns, *, first: bool, ended: bool, last: bool, strict: bool) -> NDArray[np.int32]:
        """Codes (codebooks, frames) to be made sound of, of a part of a segment's frames; see ``FrameRules``."""
        frames = self.rules.returned_frames(
            torch.from_numpy(columns), ended=ended, first=first, last=last, strict=strict
        )
        codes: NDArray[np.int32] = self.rules.codes(frames).numpy()
        return codes


def load_model(
    folder: Path, *, decoder: Decoder, device: torch.device, dtype: torch.dtype, speech_tokens_only: bool
) -> SpeechModel:
    """The model in a folder. Raises ModelUnavailable if it is none, or one of its files is damaged."""
    if (folder / RANKS).is_file() or (folder / CONFIG).is_file():
        model = load_v15(folder, device, dtype, speech_tokens_only=speech_tokens_only)
        codec: Codec = load_firefly(_one(folder, FIREFLY), device)
        return SpeechModel("1.5", model.network, model.rules, model.prompts, _matching(codec, model.rules), clean)
    if not list(folder.glob(LANGUAGE_MODEL)):
        raise ModelUnavailable(
            f"The folder is no model of fish-speech: it has neither {RANKS} (1.5) nor {LANGUAGE_MODEL} (1.1)."
        )
    old = load_v11(_one(folder, LANGUAGE_MODEL), device, dtype, speech_tokens_only=speech_tokens_only)
    if decoder == "vits" or (decoder == "auto" and list(folder.glob(VITS))):
        codec = load_vits(_one(folder, VITS), device)
    else:
        codec = load_vqgan(_one(folder, VQGAN), _one(folder, VOCODER), device)
    return SpeechModel("1.1", old.network, old.rules, old.prompts, _matching(codec, old.rules), clean_v11)


def _matching(codec: Codec, rules: FrameRules) -> Codec:
    if codec.codebooks != rules.num_codebooks:
        raise ModelUnavailable(
            f"The codec has {codec.codebooks} codebooks and the language model {rules.num_codebooks}; "
            "they do not belong together."
        )
    return codec


def _one(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise ModelUnavailable(
            f"The model needs one file {pattern}, and has {', '.join(path.name for path in found) or 'none'}."
        )
    return found[0]
