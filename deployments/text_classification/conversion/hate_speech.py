"""What the converter knows of the original: its labels, the names and shapes of its tensors, its configuration."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from deployments.text_classification.checkpoint import CheckpointConfig
from deployments.text_classification.conversion.module_tree import parts_of
from deployments.text_classification.conversion.records import Record, View
from deployments.text_classification.conversion.refusal import ConversionRefused, shown
from deployments.text_classification.network import TweetClassifier

LABELS = ("hate", "abusing", "neutral", "spam")  # in the order of the outputs
DTYPES = (torch.float32, torch.float16, torch.bfloat16)
HEAD_WIDTH = 64  # of an attention head, in every RoBERTa
MOST_SIZE = 1 << 20

_CLASSES = {"model": "RobertaModel", "linear1": "Linear", "linear2": "Linear"}
_ACTIVATIONS = ("ReLU", "LogSoftmax", "Softmax")
_BUFFERS = ("model.embeddings.position_ids", "model.embeddings.token_type_ids")
_POOLER = "model.pooler."
_LAYER = "model.encoder.layer."
_EMBEDDINGS = "model.embeddings."


def split(views: Mapping[str, View]) -> tuple[dict[str, View], list[str]]:
    """The tensors that count, and the names of those that no answer depends on: the pooler, counted positions."""
    dropped = [name for name in views if name in _BUFFERS or name.startswith(_POOLER)]
    return {name: view for name, view in views.items() if name not in dropped}, dropped


def encoder_settings(module: Record) -> Mapping[str, Any]:
    """The attributes of the encoder's configuration object.

    Raises ConversionRefused if there is none, or if the module's parts show that it computes something else than
    the original.
    """
    parts = parts_of(module)
    for name, expected in _CLASSES.items():
        if name not in parts:
            raise ConversionRefused(
                f"The module has no part {name}; that of the hate-speech service has the parts model, linear1 "
                "and linear2."
            )
        if parts[name].kind.name != expected:
            raise ConversionRefused(f"The part {name} is a {shown([parts[name].kind.name])}, not a {expected}.")
    for name, part in parts.items():
        if part.kind.module == "torch.nn.modules.activation" and part.kind.name not in _ACTIVATIONS:
            raise ConversionRefused(
                f"The part {shown([name])} is a {shown([part.kind.name])}; the head is known with a ReLU only."
            )
    config = parts["model"].state.get("config")
    if not isinstance(config, Record) or not isinstance(config.state, dict):
        raise ConversionRefused(
            "The encoder has no configuration that can be read, though a RobertaModel always has one. If you know "
            "how it was set up, convert the module's state dict; the converter says what it assumes of it."
        )
    return config.state


def configuration(views: Mapping[str, View], settings: Mapping[str, Any]) -> CheckpointConfig:
    """Sizes from the tensors' shapes, the rest from the encoder's settings. Raises ConversionRefused for tensors
    that are missing, left over, of another shape or type, and for settings that change what is computed.
    """
    _only_gelu(settings)
    sizes = _sizes(views)
    vocab_size, hidden_size = sizes["vocab_size"], sizes["hidden_size"]
    heads = _whole(settings, "num_attention_heads", hidden_size // HEAD_WIDTH)
    if not heads or hidden_size % heads:
        raise ConversionRefused(f"A hidden size of {hidden_size} cannot be shared by {heads} attention heads.")
    pad = _whole(settings, "pad_token_id", 1)
    if pad + 4 > sizes["max_position_embeddings"] or pad >= vocab_size:
        raise ConversionRefused(f"pad_token_id is {pad}, which leaves no positions for a text or is no token.")
    eps = settings.get("layer_norm_eps", 1e-5)
    if not isinstance(eps, float) or not math.isfinite(eps) or eps <= 0:
        raise ConversionRefused("layer_norm_eps is no positive number.")
    config = CheckpointConfig(
        labels=LABELS, num_attention_heads=heads, pad_token_id=pad, layer_norm_eps=eps, **sizes
    )
    _compare(views, config)
    return config


def assumed(config: CheckpointConfig, settings: Mapping[str, Any]) -> tuple[str, ...]:
    """What neither the settings nor the tensors say, with the values that were taken for it."""
    taken = {
        "num_attention_heads": config.num_attention_heads,
        "layer_norm_eps": config.layer_norm_eps,
        "pad_token_id": config.pad_token_id,
        "hidden_act": "gelu",
        "is_decoder": False,
    }
    return tuple(f"{name} = {value}" for name, value in taken.items() if name not in settings)


def _only_gelu(settings: Mapping[str, Any]) -> None:
    known = {
        "hidden_act": "gelu",
        "position_embedding_type": "absolute",
        "is_decoder": False,
        "add_cross_attention": False,
    }
    for name, expected in known.items():
        value = settings.get(name, expected)
        if type(value) is not type(expected) or value != expected:
            raise ConversionRefused(f"The encoder's {name} is not {expected!r}, which is all that is known here.")


def _whole(settings: Mapping[str, Any], name: str, default: int) -> int:
    value = settings.get(name, default)
    if type(value) is not int or not 0 <= value <= MOST_SIZE:
        raise ConversionRefused(f"The encoder's {name} is no number that makes sense.")
    return value


def _sizes(views: Mapping[str, View]) -> dict[str, int]:
    layers = {name.removeprefix(_LAYER).partition(".")[0] for name in views if name.startswith(_LAYER)}
    vocab_size, hidden_size = _matrix(views, f"{_EMBEDDINGS}word_embeddings.weight")
    labels, head_size = _matrix(views, "linear2.weight")
    if labels != len(LABELS):
        raise ConversionRefused(f"The model has {labels} outputs; the original has {len(LABELS)}.")
    return {
        "vocab_size": vocab_size,
        "hidden_size": hidden_size,
        "num_hidden_layers": len(layers),
        "intermediate_size": _matrix(views, f"{_LAYER}0.intermediate.dense.weight")[0],
        "max_position_embeddings": _matrix(views, f"{_EMBEDDINGS}position_embeddings.weight")[0],
        "head_size": head_size,
        "type_vocab_size": _matrix(views, f"{_EMBEDDINGS}token_type_embeddings.weight")[0],
    }


def _matrix(views: Mapping[str, View], name: str) -> tuple[int, int]:
    if name not in views:
        raise ConversionRefused(f"The file lacks the tensor {name}, so it is no RoBERTa with two linear layers.")
    match views[name].shape:
        case (rows, columns) if 0 < rows <= MOST_SIZE and 0 < columns <= MOST_SIZE:
            return rows, columns
    raise ConversionRefused(f"The tensor {name} is no matrix of a usual size.")


def _compare(views: Mapping[str, View], config: CheckpointConfig) -> None:
    with torch.device("meta"):
        expected = {
            name: tuple(tensor.shape) for name, tensor in TweetClassifier(config.size).state_dict().items()
        }
    _none(views.keys() - expected.keys(), "The converter does not know these tensors")
    _none(expected.keys() - views.keys(), "The file lacks these tensors")
    _none((name for name in expected if views[name].shape != expected[name]), "Tensors do not fit the others")
    _none((name for name in expected if views[name].storage.dtype not in DTYPES), "Not 16 or 32-bit floats")


def _none(names: Iterable[str], problem: str) -> None:
    listed = sorted(names)
    if listed:
        raise ConversionRefused(f"{problem}: {shown(listed)}.")
