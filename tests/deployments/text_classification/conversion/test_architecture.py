"""Modules that are whole and harmless, but not the hate-speech service's."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import BertConfig, BertModel

from deployments.text_classification.conversion import convert
from deployments.text_classification.conversion.refusal import ConversionRefused
from tests.deployments.text_classification.conversion import original


def refusal(tmp_path: Path, saved: nn.Module | dict[str, Any]) -> str:
    with original.importable():
        torch.save(saved, tmp_path / "model")
    error = original.refusal(tmp_path / "model")
    assert error.names
    assert "; none of it was run." in error.message
    return error.message


def test_what_is_no_model(tmp_path: Path) -> None:
    assert "is no RoBERTa with two linear layers" in refusal(tmp_path, {"a": torch.zeros(3)})
    assert "The part epoch is no tensor" in refusal(tmp_path, {"epoch": 3, "state": {"a": torch.zeros(3)}})
    assert "The module has no part model" in refusal(tmp_path, nn.Linear(2, 2))


def test_another_encoder_with_the_same_names(tmp_path: Path) -> None:
    """BERT counts its positions from 0, and its tensors are named like RoBERTa's."""
    module: Any = original.build()
    sizes = {**original.SIZES, "type_vocab_size": 2}
    module.model = BertModel(BertConfig(**sizes))
    assert "The part model is a BertModel, not a RobertaModel" in refusal(tmp_path, module)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"hidden_act": "relu"}, "hidden_act is not 'gelu'"),
        ({"hidden_act": "gelu_new"}, "hidden_act is not 'gelu'"),
        ({"is_decoder": True}, "is_decoder is not False"),
        ({"is_decoder": True, "add_cross_attention": True}, "is not False"),
        ({"layer_norm_eps": 0.0}, "layer_norm_eps is no positive number"),
        ({"layer_norm_eps": float("nan")}, "layer_norm_eps is no positive number"),
    ],
)
def test_settings_that_change_the_answers(tmp_path: Path, change: dict[str, Any], problem: str) -> None:
    assert problem in refusal(tmp_path, original.build(**change))


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("position_embedding_type", "relative_key", "position_embedding_type is not 'absolute'"),
        ("hidden_act", torch.relu, "hidden_act is not 'gelu'"),
        ("num_attention_heads", 5, "cannot be shared by 5 attention heads"),
        ("num_attention_heads", 0, "cannot be shared by 0 attention heads"),
        ("num_attention_heads", -1, "num_attention_heads is no number"),
        ("num_attention_heads", True, "num_attention_heads is no number"),
        ("num_attention_heads", 10**30, "num_attention_heads is no number"),
        ("num_attention_heads", "2", "num_attention_heads is no number"),
        ("pad_token_id", 21, "leaves no positions"),
        ("pad_token_id", None, "pad_token_id is no number"),
        ("layer_norm_eps", "1e-5", "layer_norm_eps is no positive number"),
    ],
)
def test_settings_that_make_no_sense(tmp_path: Path, name: str, value: object, problem: str) -> None:
    module: Any = original.build()
    module.model.config.__dict__[name] = value
    assert problem in refusal(tmp_path, module)


@pytest.mark.parametrize("config", [None, {"num_attention_heads": 2}, "roberta", nn.Linear])
def test_an_encoder_without_a_readable_configuration(tmp_path: Path, config: object) -> None:
    module: Any = original.build()
    module.model.config = config
    assert "The encoder has no configuration that can be read" in refusal(tmp_path, module)
    del module.model.config
    assert "The encoder has no configuration that can be read" in refusal(tmp_path, module)


def _add_layer(module: Any) -> None:
    module.linear3 = nn.Linear(2, 2)


def _add_parameter(module: Any) -> None:
    module.model.encoder.scale = nn.Parameter(torch.ones(1))


def _add_buffer(module: Any) -> None:
    module.register_buffer("mean\x1b", torch.zeros(1))


def _take_bias(module: Any) -> None:
    module.linear1.bias = None


def _take_layer(module: Any) -> None:
    del module.model.encoder.layer[0].intermediate


def _five_labels(module: Any) -> None:
    module.linear2 = nn.Linear(16, 5)


def _wide_head(module: Any) -> None:
    module.linear2 = nn.Linear(17, 4)


def _other_head(module: Any) -> None:
    module.linear1 = nn.Bilinear(8, 8, 16)


def _no_head(module: Any) -> None:
    del module.linear2


def _other_activation(module: Any) -> None:
    module.activation = nn.GELU()


def _double(module: Any) -> None:
    module.linear2.double()


def _no_rows(module: Any) -> None:
    module.linear1 = nn.Linear(64, 16)
    module.linear2.weight = nn.Parameter(torch.zeros(4, 0))


def _hook(module: Any) -> None:
    module.model.register_forward_hook(torch.relu)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (_add_layer, "does not know these tensors: linear3.bias, linear3.weight"),
        (_add_parameter, "does not know these tensors: model.encoder.scale"),
        (_add_buffer, "does not know these tensors: mean\\x1b"),
        (_take_bias, "The file lacks these tensors: linear1.bias"),
        (_take_layer, "lacks the tensor model.encoder.layer.0.intermediate.dense.weight"),
        (_five_labels, "The model has 5 outputs; the original has 4"),
        (_wide_head, "Tensors do not fit the others: linear1.bias, linear1.weight"),
        (_other_head, "The part linear1 is a Bilinear, not a Linear"),
        (_no_head, "The module has no part linear2"),
        (_other_activation, "The part activation is a GELU; the head is known with a ReLU only"),
        (_double, "Not 16 or 32-bit floats: linear2.bias, linear2.weight"),
        (_no_rows, "linear2.weight is no matrix of a usual size"),
        (_hook, "The module model. has forward hooks"),
    ],
)
def test_other_modules(tmp_path: Path, change: Callable[[Any], None], problem: str) -> None:
    module = original.build()
    change(module)
    assert problem in refusal(tmp_path, module)


def test_parts_without_tensors_do_not_matter(tmp_path: Path) -> None:
    module: Any = original.build()
    module.relu, module.softmax = nn.ReLU(), nn.LogSoftmax(dim=1)
    module.loss, module.again = nn.NLLLoss(), nn.Dropout(0.5)
    module.device, module.size = torch.device("cpu"), torch.zeros(2).size()
    module.kind, module.names = torch.float32, {"hate", "spam"}
    path = original.save(module, tmp_path / "model")
    convert(path, tmp_path / "out", str(original.write_tokenizer(tmp_path / "tokenizer")))


def test_a_layer_out_of_order(tmp_path: Path) -> None:
    tensors = original.build(num_attention_heads=1).state_dict()
    moved = {name.replace("layer.1.", "layer.7."): tensor for name, tensor in tensors.items()}
    message = refusal(tmp_path, moved)
    assert "does not know these tensors: model.encoder.layer.7.attention.output.LayerNorm.bias" in message


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(tmp_path: Path, value: float) -> None:
    module = original.build()
    with torch.no_grad():
        module.linear2.bias[1] = value
    original.write_tokenizer(tmp_path / "tokenizer")
    path = original.save(module, tmp_path / "model")
    with pytest.raises(ConversionRefused, match=r"linear2\.bias"):
        convert(path, tmp_path / "out", str(tmp_path / "tokenizer"))
