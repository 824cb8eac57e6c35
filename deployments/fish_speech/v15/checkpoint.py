"""The language model in a folder of fish-speech 1.5: ``config.json``, ``model.pth`` and the tokenizer's files."""

import json
from pathlib import Path

import torch
from pydantic import ValidationError

from deployments.errors import ModelUnavailable
from deployments.fish_speech.language_model.build import build_language_model, read_language_model
from deployments.fish_speech.language_model.dual_ar import DualAR
from deployments.fish_speech.language_model.dual_ar_config import DualARConfig
from deployments.fish_speech.language_model.frame_rules import FrameRules
from deployments.fish_speech.v15.tokenizer import Tokenizer

CONFIG, WEIGHTS = "config.json", "model.pth"


def read_config(folder: Path) -> DualARConfig:
    """The sizes in ``config.json``. Raises ModelUnavailable if it is missing, or another kind of model's."""
    try:
        settings = json.loads((folder / CONFIG).read_bytes())
    except OSError as error:
        raise ModelUnavailable(f"The model lacks the file {CONFIG}.") from error
    except ValueError as error:
        raise ModelUnavailable(f"{CONFIG} is not JSON.") from error
    if not isinstance(settings, dict) or settings.get("model_type") != "dual_ar":
        kind = settings.get("model_type") if isinstance(settings, dict) else None
        raise ModelUnavailable(f"{CONFIG} has the model_type {kind!r}; only 'dual_ar' is supported.")
    try:
        return DualARConfig.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "all of it"
        raise ModelUnavailable(f"{CONFIG} has no sizes of a dual_ar model: {where}: {first['msg']}.") from error


def load_network(
    folder: Path, tokenizer: Tokenizer, *, dtype: torch.dtype = torch.float32, device: torch.device | None = None
) -> DualAR:
    """The network with its weights. Raises ModelUnavailable for files that are missing, damaged, or do not fit."""
    config = read_config(folder)
    if not 0 < len(tokenizer.semantic) <= config.codebook_size or tokenizer.semantic.stop > config.vocab_size:
        raise ModelUnavailable(
            f"The tokenizer has {len(tokenizer.semantic)} semantic tokens up to id {tokenizer.semantic.stop - 1}, "
            f"but {CONFIG} has codebooks of {config.codebook_size} and {config.vocab_size} tokens."
        )
    if not 0 <= tokenizer.im_end < config.vocab_size:
        raise ModelUnavailable(f"The tokenizer's ids go beyond the {config.vocab_size} tokens of {CONFIG}.")
    state = read_language_model(folder / WEIGHTS)
    return build_language_model(config, tokenizer.semantic, state, source=WEIGHTS, dtype=dtype, device=device)


def frame_rules(config: DualARConfig, tokenizer: Tokenizer, *, speech_only: bool = False) -> FrameRules:
    """How this version draws frames."""
    return FrameRules(
        num_codebooks=config.num_codebooks,
        codebook_size=config.codebook_size,
        vocab_size=config.vocab_size,
        semantic=tokenizer.semantic,
        end_ids=(tokenizer.im_end,),
        speech_only=speech_only,
    )
