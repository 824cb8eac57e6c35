"""The language model of fish-speech 1.1: one file of weights, whose shapes tell its sizes."""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from pydantic import ValidationError
from torch import Tensor

from deployments.errors import ModelUnavailable
from deployments.fish_speech.dual_ar_config import DualARConfig
from deployments.fish_speech.frame_rules import FrameRules
from deployments.fish_speech.language_model import LanguageModel, make_language_model, read_language_model
from deployments.fish_speech.v11.prompt import END_CODE, SHIFT, Prompts
from deployments.fish_speech.v11.tokenizer import load_tokenizer

HEAD_WIDTH = 64  # of all released sizes; weights do not tell it
CONTEXTS = {True: 4_096, False: 2_048}  # of files whose name says 4k, and of others


def load_language_model(
    path: Path,
    device: torch.device,
    dtype: torch.dtype,
    *,
    speech_tokens_only: bool = False,
    n_head: int | None = None,
    tokenizer_folder: Path | None = None,
) -> LanguageModel:
    """The model in the file ``path``, with the tokenizer beside it or in another folder, if there is one.

    Raises ModelUnavailable that names the file at fault.
    """
    state = read_language_model(path)
    config = _config(state, path, n_head)
    tokenizer = load_tokenizer(tokenizer_folder or path.parent)
    network = make_language_model(config, None, _apart(state, config), path, device, dtype)
    rules = FrameRules(
        num_codebooks=config.num_codebooks,
        codebook_size=config.codebook_size,
        vocab_size=config.vocab_size,
        semantic=range(tokenizer.semantic, tokenizer.semantic + 1),
        end_ids=(tokenizer.stop, tokenizer.end),
        end_code=END_CODE,
        first_code_is_token=False,
        code_shift=SHIFT,
        token_penalised=False,
        speech_only=speech_tokens_only,
        strict_lost=(0, 2),
    )
    return LanguageModel(network, Prompts(tokenizer, config.num_codebooks, config.codebook_size), rules)


def _config(state: Mapping[str, Tensor], path: Path, n_head: int | None) -> DualARConfig:
    """Sizes as the weights' shapes have them."""
    try:
        dim = state["embeddings.weight"].shape[1]
        heads = n_head or max(1, dim // HEAD_WIDTH)
        vocab_size, codebook_size = state["output.weight"].shape[0], state["fast_output.weight"].shape[0]
        kv_heads = (state["layers.0.attention.wqkv.weight"].shape[0] * heads // dim - heads) // 2
        return DualARConfig(
            vocab_size=vocab_size,
            n_layer=_layers(state, "layers"),
            n_fast_layer=_layers(state, "fast_layers"),
            n_head=heads,
            n_local_heads=kv_heads,
            dim=dim,
            intermediate_size=state["layers.0.feed_forward.w2.weight"].shape[1],
            rope_base=10_000,
            norm_eps=1e-5,
            max_seq_len=CONTEXTS["4k" in path.name],
            tie_word_embeddings=False,
            codebook_size=codebook_size,
            num_codebooks=(state["embeddings.weight"].shape[0] - vocab_size) // codebook_size,
        )
    except (KeyError, IndexError, ZeroDivisionError, ValidationError) as error:
        raise ModelUnavailable(f"{path.name} is no language model of fish-speech 1.1: {error}.") from error


def _layers(state: Mapping[str, Tensor], stack: str) -> int:
    numbers = (re.match(rf"{stack}\.(\d+)\.", name) for name in state)
    return 1 + max((int(found[1]) for found in numbers if found), default=-1)


def _apart(state: Mapping[str, Tensor], config: DualARConfig) -> dict[str, Tensor]:
    """The one table of embeddings as two; the codes' first entries, which are padding, are zero."""
    table = state["embeddings.weight"]
    tokens, codes = table[: config.vocab_size], table[config.vocab_size :].clone()
    codes[:: config.codebook_size] = 0
    return {**state, "embeddings.weight": tokens, "codebook_embeddings.weight": codes}
