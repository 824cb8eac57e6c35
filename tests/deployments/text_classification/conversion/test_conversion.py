"""The original checkpoint converted: the same tensors, the same answers, and nothing imported."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from deployments.errors import ModelUnavailable
from deployments.text_classification.checkpoint import TOKENIZER, WEIGHTS, file_hash, read_checkpoint
from deployments.text_classification.conversion import Conversion, ConversionRefused, convert
from deployments.text_classification.network import TweetClassifier
from tests.deployments.text_classification.conversion import original

LEFT_OUT = {
    "model.embeddings.position_ids",
    "model.embeddings.token_type_ids",
    "model.pooler.dense.bias",
    "model.pooler.dense.weight",
}


@pytest.fixture
def tokenizer(tmp_path: Path) -> str:
    return str(original.write_tokenizer(tmp_path / "tokenizer"))


def kept(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in module.state_dict().items() if name not in LEFT_OUT}


def check_same(module: nn.Module, out: Path) -> None:
    """Every tensor bit for bit, and the answers."""
    config, tensors = read_checkpoint(out)
    expected = kept(module)
    assert tensors.keys() == expected.keys()
    for name, tensor in expected.items():
        assert tensors[name].dtype == tensor.dtype
        assert torch.equal(tensors[name], tensor), name
    network = TweetClassifier(config.size)
    network.load_state_dict(tensors, strict=True)
    network.eval()
    module.float().eval()
    ids = torch.randint(5, 300, (4, 19))
    mask = torch.ones_like(ids)
    ids[1, 7:], mask[1, 7:] = 1, 0
    ids[2, 18:], mask[2, 18:] = 1, 0
    with torch.inference_mode():
        assert (network(ids, mask).softmax(1) - module(ids, mask).exp()).abs().max() < 1e-6


@pytest.mark.parametrize("training", [True, False])
def test_tensors_and_answers_are_the_same(tmp_path: Path, tokenizer: str, training: bool) -> None:
    module = original.build().train(training)
    path = original.save(module, tmp_path / "model_7")
    converted = convert(path, tmp_path / "out", tokenizer)
    check_same(module, tmp_path / "out")
    assert converted.config == read_checkpoint(tmp_path / "out")[0]
    assert converted.config.labels == ("hate", "abusing", "neutral", "spam")
    assert converted.config.normalizer == "tweet"
    assert (converted.config.num_attention_heads, converted.config.layer_norm_eps) == (2, 1e-5)
    assert converted.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert converted.config.sha256 == {name: file_hash(tmp_path / "out" / name) for name in (WEIGHTS, TOKENIZER)}
    assert set(converted.left_out) == LEFT_OUT
    assert converted.tensors == len(kept(module))
    assert converted.parameters == sum(tensor.numel() for tensor in kept(module).values())
    assert converted.dtypes == ("float32",)
    assert converted.assumed == ()
    assert f"{original.MODULE}.CustomModel" in converted.names
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model_7", "out", "tokenizer"]


def test_settings_of_the_encoder_are_taken_from_the_file(tmp_path: Path, tokenizer: str) -> None:
    module = original.build(num_attention_heads=4, layer_norm_eps=1e-3, pad_token_id=0, num_hidden_layers=3)
    converted = convert(original.save(module, tmp_path / "model"), tmp_path / "out", tokenizer)
    config = converted.config
    assert (config.num_attention_heads, config.layer_norm_eps, config.pad_token_id) == (4, 1e-3, 0)
    assert config.num_hidden_layers == 3


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stays(tmp_path: Path, tokenizer: str, dtype: torch.dtype) -> None:
    module = original.build().to(dtype)
    converted = convert(original.save(module, tmp_path / "model"), tmp_path / "out", tokenizer)
    assert converted.dtypes == (str(dtype).removeprefix("torch."),)
    check_same(module, tmp_path / "out")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_protocol_that_torch_writes(tmp_path: Path, tokenizer: str, protocol: int) -> None:
    module = original.build()
    path = original.save(module, tmp_path / "model", pickle_protocol=protocol)
    convert(path, tmp_path / "out", tokenizer)
    check_same(module, tmp_path / "out")


def test_an_older_container(tmp_path: Path, tokenizer: str) -> None:
    """torch 1.11 wrote no byte order and no notes of its own."""
    module = original.build()
    members = original.members(original.save(module, tmp_path / "new"))
    older = {name: content for name, content in members.items() if name == "data.pkl" or "data/" in name}
    older = {name: content for name, content in older.items() if not name.startswith(".")}
    path = original.pack(tmp_path / "model", {**older, "version": b"3\n"})
    convert(path, tmp_path / "out", tokenizer)
    check_same(module, tmp_path / "out")


def test_shared_storages_strides_and_states(tmp_path: Path, tokenizer: str) -> None:
    module: Any = original.build()
    attention = module.model.encoder.layer[0].attention.self
    together = torch.randn(2, 64, 64)
    attention.query.weight = nn.Parameter(together[0])
    attention.key.weight = nn.Parameter(together[1].t())
    module.model.encoder.layer[1].attention.self.value.weight = attention.value.weight
    module.linear1.weight.note = "a parameter with attributes is saved in another way"
    path = original.save(module, tmp_path / "model")
    assert b"_rebuild_parameter_with_state" in original.members(path)["data.pkl"]
    convert(path, tmp_path / "out", tokenizer)
    check_same(module, tmp_path / "out")


def test_a_state_dict_is_read_too(tmp_path: Path, tokenizer: str) -> None:
    module = original.build(num_attention_heads=1)  # 64 numbers each, as in every RoBERTa
    torch.save(module.state_dict(), tmp_path / "model")
    converted = convert(tmp_path / "model", tmp_path / "out", tokenizer)
    assert converted.config.num_attention_heads == 1
    assert (converted.config.layer_norm_eps, converted.config.pad_token_id) == (1e-5, 1)
    assert converted.assumed == (
        "num_attention_heads = 1",
        "layer_norm_eps = 1e-05",
        "pad_token_id = 1",
        "hidden_act = gelu",
        "is_decoder = False",
    )
    check_same(module, tmp_path / "out")


@pytest.mark.parametrize(
    ("setting", "assumption"),
    [
        ("num_attention_heads", "num_attention_heads = 1"),
        ("layer_norm_eps", "layer_norm_eps = 1e-05"),
        ("pad_token_id", "pad_token_id = 1"),
        ("hidden_act", "hidden_act = gelu"),
        ("is_decoder", "is_decoder = False"),
    ],
)
def test_what_the_configuration_lacks_is_assumed_and_told(
    tmp_path: Path, tokenizer: str, setting: str, assumption: str
) -> None:
    module: Any = original.build(num_attention_heads=1)
    path = original.save(module, tmp_path / "whole")
    assert convert(path, tmp_path / "all", tokenizer).assumed == ()
    del module.model.config.__dict__[setting]
    converted = convert(original.save(module, tmp_path / "model"), tmp_path / "out", tokenizer)
    assert converted.assumed == (assumption,)
    assert converted.config == read_checkpoint(tmp_path / "all")[0]


def test_nothing_is_imported(tmp_path: Path, tokenizer: str) -> None:
    """In a process that has seen neither the class nor the transformers library."""
    path = original.save(original.build(), tmp_path / "model")
    code = f"""
import sys
from pathlib import Path
from deployments.text_classification.conversion import convert
heard = []
sys.addaudithook(lambda event, _: heard.append(event) if event.startswith(("pickle.", "os.sys", "subp")) else None)
convert(Path({str(path)!r}), Path({str(tmp_path / "out")!r}), {tokenizer!r})
print(heard, [name for name in sys.modules if name.startswith(("transformers", {original.MODULE!r}))])
"""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (process.stdout, process.returncode) == ("[] []\n", 0), process.stderr


def test_the_hash_is_checked_first(tmp_path: Path, tokenizer: str) -> None:
    path = original.save(original.build(), tmp_path / "model")
    right = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(ConversionRefused, match=f"is {right}, not {'0' * 64}; nothing was read"):
        convert(path, tmp_path / "out", tokenizer, sha256="0" * 64)
    assert not (tmp_path / "out").exists()
    assert isinstance(convert(path, tmp_path / "out", tokenizer, sha256=right.upper()), Conversion)


def test_a_folder_in_use_is_left_alone(tmp_path: Path, tokenizer: str) -> None:
    path = original.save(original.build(), tmp_path / "model")
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine").write_text("mine")
    with pytest.raises(ConversionRefused, match="is there already; name a folder that is new or empty"):
        convert(path, out, tokenizer)
    with pytest.raises(ConversionRefused, match="is there already"):
        convert(path, path, tokenizer)
    assert [file.name for file in out.iterdir()] == ["mine"]
    (out / "mine").unlink()
    convert(path, out, tokenizer)
    read_checkpoint(out)


def test_nothing_is_left_of_a_folder_that_cannot_be_written(
    tmp_path: Path, tokenizer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = original.save(original.build(), tmp_path / "model")

    def fail(_: Path, __: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(ConversionRefused, match=r"cannot be written: \[Errno 28\] No space left on device"):
        convert(path, tmp_path / "deep" / "out", tokenizer)
    assert list((tmp_path / "deep").iterdir()) == []


def test_a_tokenizer_that_cannot_be_had(tmp_path: Path) -> None:
    path = original.save(original.build(), tmp_path / "model")
    with pytest.raises(ModelUnavailable, match="There is no folder"):
        convert(path, tmp_path / "out", str(tmp_path / "nowhere"))
    with pytest.raises(ModelUnavailable, match="names no revision"):
        convert(path, tmp_path / "out", "hf://vinai/bertweet-large")
    assert not (tmp_path / "out").exists()


def test_the_written_tokenizer_is_the_source_s(tmp_path: Path, tokenizer: str) -> None:
    path = original.save(original.build(), tmp_path / "model")
    convert(path, tmp_path / "first", tokenizer)
    convert(path, tmp_path / "second", str(tmp_path / "first"))
    first, second = ((tmp_path / name / TOKENIZER).read_bytes() for name in ("first", "second"))
    assert first == second
    assert json.loads(first)["model"]["type"] == "BPE"
