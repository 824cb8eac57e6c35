"""The folder in which our own classifiers are kept: ``config.json``, ``model.safetensors``, ``tokenizer.json``.

The configuration holds the SHA-256 of the other two, which are checked before they are read.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from deployments.errors import ModelUnavailable
from deployments.text_classification.config import Normalizer
from deployments.text_classification.network import NetworkSize

CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.json"
MODEL_TYPE: Literal["tweet-classifier"] = "tweet-classifier"

Sha256 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


class CheckpointConfig(BaseModel):
    """``config.json``. Sizes are named as in RoBERTa's; ``labels`` are in the order of the outputs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model_type: Literal["tweet-classifier"] = MODEL_TYPE
    labels: tuple[str, ...] = Field(min_length=2)
    normalizer: Normalizer = "tweet"
    vocab_size: int = Field(ge=2)
    hidden_size: int = Field(ge=1)
    num_hidden_layers: int = Field(ge=1)
    num_attention_heads: int = Field(ge=1)
    intermediate_size: int = Field(ge=1)
    max_position_embeddings: int = Field(ge=4)
    head_size: int = Field(ge=1)
    type_vocab_size: int = Field(1, ge=1)
    pad_token_id: int = Field(1, ge=0)
    layer_norm_eps: float = Field(1e-5, gt=0)
    sha256: dict[str, Sha256] = {}

    @property
    def size(self) -> NetworkSize:
        """The network's sizes."""
        names = set(NetworkSize.__dataclass_fields__) - {"labels"}
        return NetworkSize(labels=len(self.labels), **{name: getattr(self, name) for name in names})


def is_checkpoint(folder: Path) -> bool:
    """Whether a folder is one of ours; anything else is left to the transformers library."""
    try:
        settings = json.loads((folder / CONFIG).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(settings, dict) and settings.get("model_type") == MODEL_TYPE


def write_checkpoint(
    folder: Path, config: CheckpointConfig, tensors: Mapping[str, torch.Tensor], tokenizer: bytes
) -> CheckpointConfig:
    """Write a folder, which is made if need be; ``tokenizer`` is the content of its file.

    Returns the configuration with the hashes in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / WEIGHTS)
    (folder / WEIGHTS).chmod(0o644)  # the library's default keeps other users out
    (folder / TOKENIZER).write_bytes(tokenizer)
    whole = config.model_copy(update={"sha256": {name: file_hash(folder / name) for name in (WEIGHTS, TOKENIZER)}})
    (folder / CONFIG).write_text(json.dumps(whole.model_dump(mode="json"), indent=1) + "\n")
    return whole


def read_checkpoint(folder: Path) -> tuple[CheckpointConfig, dict[str, torch.Tensor]]:
    """Configuration and tensors. Raises ModelUnavailable for a missing, broken or exchanged file."""
    try:
        config = CheckpointConfig.model_validate_json((folder / CONFIG).read_bytes())
        for name in (WEIGHTS, TOKENIZER):
            if file_hash(folder / name) != config.sha256.get(name):
                raise ModelUnavailable(f"{name} is not the file whose SHA-256 {CONFIG} names.")
        return config, load_file(folder / WEIGHTS)
    except OSError as error:
        raise ModelUnavailable(f"The model folder lacks {Path(error.filename or CONFIG).name}.") from error
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise ModelUnavailable(f"{CONFIG} is not a classifier's: {where}: {error.errors()[0]['msg']}.") from error
    except SafetensorError as error:
        raise ModelUnavailable(f"{WEIGHTS} cannot be read: {error}.") from error


def file_hash(path: Path) -> str:
    """SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
