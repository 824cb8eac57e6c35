"""The options of ``antiphon fish generate``, as a generation that is ready to run."""

from collections.abc import Sequence
from pathlib import Path

import torch

from deployments.fish_speech.types import SamplingOptions
from deployments.torch_device import choose_dtype
from serve_app.cli.fish.checkpoints import find_language_model
from serve_app.cli.fish.codes import read_codes
from serve_app.cli.fish.generation import Generation, Order


def generation(
    text: str,
    prompts: Sequence[tuple[str, Path]],
    checkpoint: Path,
    tokenizer: Path | None,
    config_name: str | None,
    device: torch.device,
    *,
    half: bool,
    samples: int,
    max_new_tokens: int,
    top_p: float,
    repetition_penalty: float | None,
    temperature: float,
    seed: int,
    speaker: str | None,
    iterative: bool,
    context: int,
    chunk_length: int | None,
) -> Generation:
    """Load the model and read the prompts. What is None is what the original takes for the model's version.

    Raises InvalidRequest, ModelUnavailable.
    """
    codes = [(said, read_codes(path)) for said, path in prompts]
    dtype = torch.float16 if half else choose_dtype("auto", device)
    model = find_language_model(checkpoint, tokenizer, config_name, device, dtype)
    if chunk_length is None:
        chunk_length = model.chunk_length
    sampling = SamplingOptions(
        temperature=temperature,
        top_p=top_p,
        repetition_penalty=repetition_penalty or model.repetition_penalty,
        max_new_tokens=max_new_tokens,
        chunk_length=chunk_length if iterative else 0,
        seed=seed,
    )
    room = min(context, model.network.config.max_seq_len)
    return Generation(model, Order(text, codes, sampling, samples, speaker, room))
