"""Goldens of the language models, a plain generation loop, and small networks with random weights."""

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from deployments.fish_speech.language_model.dual_ar import DualAR
from deployments.fish_speech.language_model.dual_ar_config import DualARConfig
from deployments.fish_speech.language_model.frame_rules import FrameRules
from deployments.fish_speech.language_model.frames import FrameSampler, FrameState
from deployments.fish_speech.language_model.noise import FrameNoise
from deployments.fish_speech.v11 import checkpoint as v11
from deployments.fish_speech.v15 import checkpoint as v15
from deployments.fish_speech.v15.tokenizer import Tokenizer
from tests.deployments.fish_speech.codec.support import GOLDENS

V15, V11 = GOLDENS / "dualar_v15", GOLDENS / "dualar_v11"
LENGTH = 64  # cache lengths are multiples of it


class ToyTokenizer:
    """The rule that the golden of 1.1 was made with: one id per character, of control tokens' names, too."""

    semantic, im_end, end = 10, 4, 2

    def encode(self, text: str) -> list[int]:
        return [5 + ord(character) % 250 for character in text]

    def control(self, name: str) -> list[int]:
        return self.encode(name)


@cache
def network(version: str, dtype: torch.dtype = torch.float32) -> DualAR:
    """The golden's network of "v15" or "v11"."""
    return v15.load_network(V15, Tokenizer(V15), dtype=dtype) if version == "v15" else v11.load_network(V11)


@cache
def rules(version: str, *, speech_only: bool = False) -> FrameRules:
    """How it draws frames."""
    if version == "v15":
        return v15.frame_rules(network("v15").config, Tokenizer(V15), speech_only=speech_only)
    return v11.frame_rules(network("v11").config, ToyTokenizer(), speech_only=speech_only)


def described(version: str) -> dict[str, Any]:
    """What a golden's JSON file says."""
    description: dict[str, Any] = json.loads(((V15 if version == "v15" else V11) / "golden.json").read_text())
    return description


@dataclass
class Sampling:
    """Of one segment; ``noise`` is (frames, widths of all draws)."""

    temperature: float = 1.0
    top_p: float = 1e-6
    penalty: float = 1.0
    seed: int = 0
    noise: Tensor | None = None


@torch.inference_mode()
def generate(
    model: DualAR, drawn_by: FrameRules, prompt: Tensor, frames: int, sampling: Sampling, length: int = 2_048
) -> Tensor:
    """At most so many frames after a prompt, (1 + codebooks, frames), computed alone."""
    cache, sampler = model.new_cache(model.padded(1), length), FrameSampler(model, drawn_by, 1)
    state = FrameState.empty(1, drawn_by)
    start(state, 0, sampling, 0, penalised=False)
    hidden = model.prefill(prompt, cache, 0, 0)[None]
    drawn: list[Tensor] = []
    for number in range(frames):
        columns = sampler(hidden, state, None if sampling.noise is None else sampling.noise[number : number + 1])
        drawn.append(columns[0])
        if drawn_by.ended(columns)[0] or number == frames - 1:
            break
        if number:
            state.push(columns)
        else:
            start(state, 0, sampling, 1)
        position = prompt.shape[1] + number
        hidden = model.step(columns, cache, torch.tensor([position]), up_to(position))
    return torch.stack(drawn, 1)


def code_noise(seed: Tensor, frame: Tensor, codebook: int, width: int) -> Tensor:
    """What is drawn for one codebook: float32 (B, width), for int64 ``seed`` and ``frame``, both (B,)."""
    return FrameNoise([0] * codebook + [width])(seed, frame)


def start(state: FrameState, row: int, sampling: Sampling, frame: int, *, penalised: bool = True) -> None:
    """Begin to draw for a segment in a row."""
    state.start(
        row,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        penalty=sampling.penalty if penalised else 1.0,
        seed=sampling.seed,
        frame=frame,
    )


def up_to(position: int) -> int:
    """The smallest cache length that has a position."""
    return (position // LENGTH + 1) * LENGTH


def random_network(semantic: range | None, **sizes: Any) -> DualAR:
    """Weights that are neither small nor alike, always the same."""
    generator = torch.Generator().manual_seed(1)
    made = DualAR(DualARConfig(**sizes), semantic)
    for name, parameter in made.named_parameters():
        mean, deviation = (1.0, 0.2) if "norm" in name else (0.0, 0.08)
        torch.nn.init.normal_(parameter, mean, deviation, generator)
    return made.eval().requires_grad_(False)


def random_columns(model: DualAR, count: int, generator: torch.Generator) -> Tensor:
    """Columns of speech, (count, 1 + codebooks)."""
    config = model.config
    ids = model.semantic or range(config.vocab_size)
    tokens = torch.randint(ids.start, ids.stop, (count, 1), generator=generator)
    codes = torch.randint(0, config.codebook_size, (count, config.num_codebooks), generator=generator)
    return torch.cat((tokens, codes), 1)
