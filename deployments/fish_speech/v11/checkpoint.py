"""The language model of fish-speech 1.1: a file of weights; the network's sizes are read off its tensors."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from deployments.errors import ModelUnavailable
from deployments.fish_speech.language_model.build import build_language_model, read_language_model
from deployments.fish_speech.language_model.dual_ar import DualAR
from deployments.fish_speech.language_model.dual_ar_config import DualARConfig
from deployments.fish_speech.language_model.frame_rules import FrameRules
from deployments.fish_speech.v11.prompt import CODE_SHIFT, END_CODE
from deployments.fish_speech.v11.tokenizer import Tokenizer

CONFIG = "config.json"
FILES = ("text2semantic*.pth", "model.pth")
STRICT_LOST = (0, 2)  # frames that the original leaves out at the beginning and at the end

HEADS = {
    "dual_ar_2_codebook_small": 12,
    "dual_ar_2_codebook_medium": 16,
    "dual_ar_2_codebook_large": 24,
}
"""Attention heads by the original's names of its sizes."""

_HEAD_DIM = 64  # of all released sizes
_CONTEXTS = {True: 4_096, False: 2_048}  # of files whose name says 4k, and of others


class TensorsDoNotSay(BaseModel):
    """What a state dict cannot tell, as ``config.json`` may have it.

    Without ``n_head``, heads are 64 wide; without ``max_seq_len``, the file's name says whether it is 4,096 or
    2,048.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())

    n_head: int | None = Field(None, ge=1)
    rope_base: float = Field(10_000, gt=0)
    norm_eps: float = Field(1e-5, gt=0)
    max_seq_len: int | None = Field(None, ge=1)


def weights_file(path: Path) -> Path:
    """The language model's file, which ``path`` is, or has in it. Raises ModelUnavailable if there is none."""
    if path.is_file():
        return path
    for pattern in FILES:
        if files := sorted(path.glob(pattern)):
            return files[0]
    raise ModelUnavailable(f"The model lacks the file {FILES[0]}.")


def load_network(
    path: Path,
    *,
    name: str | None = None,
    dtype: torch.dtype = torch.float32,
    device: torch.device | None = None,
) -> DualAR:
    """The network with its weights, in a folder or in a file.

    ``name`` is one of ``HEADS``; without it, ``config.json`` or the tensors say how large the network is. Raises
    ModelUnavailable for files that are missing, damaged, or do not fit.
    """
    path = weights_file(path)
    state = read_language_model(path)
    known = _known(path.parent)
    if name is not None:
        if name not in HEADS:
            raise ModelUnavailable(f"There is no configuration {name!r}; there are {', '.join(HEADS)}.")
        known = known.model_copy(update={"n_head": HEADS[name]})
    config = infer_config(state, known, path.name)
    table = state["embeddings.weight"]
    codes = table[config.vocab_size :].clone()
    codes[:: config.codebook_size] = 0  # code 0 is the padding of text, and adds nothing
    parts = {"embeddings.weight": table[: config.vocab_size], "codebook_embeddings.weight": codes}
    return build_language_model(config, None, {**state, **parts}, source=path.name, dtype=dtype, device=device)


def infer_config(state: Mapping[str, Tensor], known: TensorsDoNotSay, source: str) -> DualARConfig:
    """Sizes of the network that has these tensors. Raises ModelUnavailable if no network has."""
    attention = "layers.0.attention.wqkv.weight"
    names = (
        "embeddings.weight",
        "output.weight",
        "fast_output.weight",
        attention,
        "layers.0.feed_forward.w1.weight",
    )
    if missing := [name for name in names if name not in state or state[name].dim() != 2]:
        raise ModelUnavailable(f"{source} lacks {missing[0]}, or it is no matrix.")
    (entries, dim), vocab_size, codebook_size = (
        state["embeddings.weight"].shape,
        state["output.weight"].shape[0],
        state["fast_output.weight"].shape[0],
    )
    n_head = known.n_head or max(1, dim // _HEAD_DIM)
    try:
        return DualARConfig(
            vocab_size=vocab_size,
            n_layer=_count(state, "layers."),
            n_head=n_head,
            dim=dim,
            intermediate_size=state[names[-1]].shape[0],
            n_local_heads=(state[attention].shape[0] * n_head // max(1, dim) - n_head) // 2,
            rope_base=known.rope_base,
            norm_eps=known.norm_eps,
            max_seq_len=known.max_seq_len or _CONTEXTS["4k" in source],
            tie_word_embeddings=False,
            attention_qkv_bias="layers.0.attention.wqkv.bias" in state,
            codebook_size=codebook_size,
            num_codebooks=(entries - vocab_size) // max(1, codebook_size),
            n_fast_layer=_count(state, "fast_layers."),
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise ModelUnavailable(f"The sizes of {source} fit no model: {first['msg']}.") from error


def frame_rules(config: DualARConfig, tokenizer: Tokenizer, *, speech_only: bool = False) -> FrameRules:
    """How this version draws frames."""
    return FrameRules(
        num_codebooks=config.num_codebooks,
        codebook_size=config.codebook_size,
        vocab_size=config.vocab_size,
        semantic=range(tokenizer.semantic, tokenizer.semantic + 1),
        end_ids=(tokenizer.im_end, tokenizer.end),
        end_code=END_CODE,
        first_code_is_token=False,
        code_shift=CODE_SHIFT,
        token_penalised=False,
        speech_only=speech_only,
        strict_lost=STRICT_LOST,
    )


def _known(folder: Path) -> TensorsDoNotSay:
    path = folder / CONFIG
    if not path.is_file():
        return TensorsDoNotSay()
    try:
        return TensorsDoNotSay.model_validate(json.loads(path.read_bytes()))
    except ValueError as error:  # pydantic's is one, too
        raise ModelUnavailable(f"{CONFIG} has no sizes of a model.") from error


def _count(state: Mapping[str, Tensor], prefix: str) -> int:
    return len({name.split(".")[1] for name in state if name.startswith(prefix)})
