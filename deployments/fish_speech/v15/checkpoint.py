"""The language model of fish-speech 1.5 and what belongs to it, as they lie in a folder."""

from pathlib import Path

import torch
from pydantic import ValidationError

from deployments.errors import ModelUnavailable
from deployments.fish_speech.dual_ar_config import DualARConfig
from deployments.fish_speech.frame_rules import FrameRules
from deployments.fish_speech.language_model import LanguageModel, make_language_model, read_language_model
from deployments.fish_speech.v15.prompt import Prompts
from deployments.fish_speech.v15.tokenizer import load_tokenizer

CONFIG, WEIGHTS = "config.json", "model.pth"


def load_language_model(
    folder: Path, device: torch.device, dtype: torch.dtype, *, speech_tokens_only: bool = False
) -> LanguageModel:
    """The model in ``config.json``, ``model.pth`` and the tokenizer's two files.

    Raises ModelUnavailable that names the file at fault.
    """
    config = read_config(folder / CONFIG)
    tokenizer = load_tokenizer(folder)
    if tokenizer.semantic.stop > config.vocab_size or tokenizer.end >= config.vocab_size:
        raise ModelUnavailable(f"The tokenizer has ids beyond the {config.vocab_size} of {CONFIG}.")
    state = read_language_model(folder / WEIGHTS)
    network = make_language_model(config, tokenizer.semantic, state, folder / WEIGHTS, device, dtype)
    rules = FrameRules(
        num_codebooks=config.num_codebooks,
        codebook_size=config.codebook_size,
        vocab_size=config.vocab_size,
        semantic=tokenizer.semantic,
        end_ids=(tokenizer.end,),
        speech_only=speech_tokens_only,
    )
    return LanguageModel(network, Prompts(tokenizer, config.num_codebooks, config.codebook_size), rules)


def read_config(path: Path) -> DualARConfig:
    """Sizes of a model. Raises ModelUnavailable."""
    try:
        return DualARConfig.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ModelUnavailable(f"The model lacks the file {path.name}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "all of it"
        raise ModelUnavailable(
            f"{path.name} is no configuration of a fish-speech model: {where}: {first['msg']}."
        ) from error
