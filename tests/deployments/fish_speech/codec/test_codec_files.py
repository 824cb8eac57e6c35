"""Checkpoint files of the codecs: every spelling of the same weights is read, all else is refused by name."""

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from deployments.errors import ModelUnavailable
from deployments.fish_speech.v11.vits import load_vits
from deployments.fish_speech.v11.vqgan import load_vqgan
from deployments.fish_speech.v15.firefly import load_firefly
from deployments.layers.state_dict import read_state_dict, shapes_only
from deployments.layers.weight_norm import fold_weight_norm
from tests.deployments.fish_speech.codec.support import FIREFLY, VQGAN, difference, golden, write_vits

State = dict[str, Tensor]
G, V = ".parametrizations.weight.original0", ".parametrizations.weight.original1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(FIREFLY / "firefly.json", tmp_path)
    return tmp_path


def state() -> State:
    return dict(torch.load(FIREFLY / "model.pth", weights_only=True))


def as_generator(tensors: State) -> State:
    return {f"generator.{name}": tensor for name, tensor in tensors.items()} | {
        "discriminator.conv.weight": torch.zeros(3), "backbone.norm.weight": torch.zeros(3),
    }  # fmt: skip


SPELLINGS: dict[str, Callable[[State], object]] = {
    "as it is": lambda tensors: tensors,
    "folded": fold_weight_norm,
    "old weight norm": lambda tensors: {
        name.replace(G, ".weight_g").replace(V, ".weight_v"): tensor for name, tensor in tensors.items()
    },
    "wrapped": lambda tensors: {"state_dict": tensors, "epoch": 3, "name": "run 7"},
    "generator": as_generator,
    "trained": lambda tensors: {"state_dict": as_generator(tensors)},
    "with more": lambda tensors: {**tensors, "quality_projection.weight": torch.zeros(1), "step": 5},
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_gives_the_same_sound(folder: Path, spelling: str) -> None:
    torch.save(SPELLINGS[spelling](state()), folder / "codec.pth")
    codec = load_firefly(folder / "codec.pth", "cpu")
    (folder / "codec.pth").write_bytes(b"")  # the codec keeps nothing of the file
    expected = golden(FIREFLY)
    assert difference(codec.decode(expected["rand_codes"]), expected["rand_decoded"][:, 0]) < 1e-5


def test_files_of_before_zip_are_read(folder: Path) -> None:
    torch.save(state(), folder / "codec.pth", _use_new_zipfile_serialization=False)
    expected = golden(FIREFLY)
    codec = load_firefly(folder / "codec.pth", "cpu")
    assert difference(codec.decode(expected["rand_codes"]), expected["rand_decoded"][:, 0]) < 1e-5


def test_half_precision_is_widened(folder: Path) -> None:
    torch.save({name: tensor.bfloat16() for name, tensor in state().items()}, folder / "codec.pth")
    codec = load_firefly(folder / "codec.pth", "cpu")
    assert {parameter.dtype for parameter in codec.network.parameters()} == {torch.float32}


def test_folded_weights_are_those_of_torch() -> None:
    torch.manual_seed(0)
    for module in (torch.nn.Conv1d(3, 5, 7), torch.nn.ConvTranspose1d(3, 5, 4)):
        normed = torch.nn.utils.parametrizations.weight_norm(module)
        normed.parametrizations.weight.original0.data.mul_(3)
        folded = fold_weight_norm(torch.nn.Sequential(normed).state_dict())
        assert set(folded) == {"0.weight", "0.bias"}
        assert torch.allclose(folded["0.weight"], normed.weight, atol=1e-7)


class _Calls(TorchFunctionMode):
    def __init__(self) -> None:
        self.names: set[str] = set()

    def __torch_function__(
        self, func: Any, types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.names.add(func.__name__)
        return func(*args, **(kwargs or {}))


def test_nothing_is_drawn_for_weights_that_are_read() -> None:
    with _Calls() as calls, shapes_only():
        made = [nn.Embedding(3, 4), nn.Linear(3, 4), nn.Conv1d(3, 4, 5), nn.ConvTranspose1d(3, 4, 5)]
    assert not calls.names & {"normal_", "uniform_", "kaiming_uniform_"}
    assert "empty" in calls.names
    assert all(parameter.is_meta for module in made for parameter in module.parameters())


def without(name: str) -> Callable[[State], State]:
    return lambda tensors: {key: tensor for key, tensor in tensors.items() if key != name}


def with_tensor(name: str, tensor: Tensor) -> Callable[[State], State]:
    return lambda tensors: {**tensors, name: tensor}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (without("backbone.norm.weight"), "codec.pth lacks backbone.norm.weight."),
        (without("head.conv_pre.conv" + G), "codec.pth lacks head.conv_pre.conv.weight."),
        (lambda _: {}, "codec.pth lacks backbone.downsample_layers.0.0.conv.weight, .* more."),
        (
            with_tensor("backbone.norm.weight", torch.zeros(41)),
            r"sizes of codec.pth .* backbone.norm.weight is \(41,\) instead of \(40,\)",
        ),
        (with_tensor("head.conv_pre.conv" + G, torch.zeros(64, 1)), "codec.pth lacks head.conv_pre.conv.weight."),
        (with_tensor("backbone.norm.weight", torch.zeros(40, dtype=torch.int8)), "codec.pth has integers"),
        (lambda _: [torch.zeros(3)], "codec.pth holds no state dict"),
        (lambda _: torch.zeros(3), "codec.pth holds no state dict"),
    ],
)
def test_tensors_that_do_not_fit_are_named(folder: Path, change: Callable[[State], object], sentence: str) -> None:
    torch.save(change(state()), folder / "codec.pth")
    with pytest.raises(ModelUnavailable, match=sentence):
        load_firefly(folder / "codec.pth", "cpu")


def test_released_sizes_are_expected_without_a_file_of_sizes(tmp_path: Path) -> None:
    shutil.copy(FIREFLY / "model.pth", tmp_path)
    with pytest.raises(ModelUnavailable, match=r"model.pth .*lacks|sizes of model.pth"):
        load_firefly(tmp_path / "model.pth", "cpu")


@pytest.mark.parametrize(
    ("sizes", "sentence"),
    [
        ("not json", "firefly.json has no sizes of a codec: all of it"),
        ("[]", "firefly.json has no sizes of a codec"),
        ('{"backbone": {"depths": [1]}}', "backbone: .*depths and dims differ"),
        ('{"quantizer": {"levels": [8, 2]}}', "quantizer.levels.1"),
        ('{"voice": 1}', "voice"),
    ],
)
def test_sizes_that_are_none_are_refused(folder: Path, sizes: str, sentence: str) -> None:
    (folder / "firefly.json").write_text(sizes)
    with pytest.raises(ModelUnavailable, match=sentence):
        load_firefly(folder / "codec.pth", "cpu")


class _Bomb:
    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self._marker,)


def test_objects_are_not_unpickled(folder: Path) -> None:
    marker = folder / "executed"
    torch.save({**state(), "config": _Bomb(marker)}, folder / "codec.pth")
    with pytest.raises(ModelUnavailable, match=r"codec.pth .* holds objects beside its tensors"):
        load_firefly(folder / "codec.pth", "cpu")
    (folder / "plain.pth").write_bytes(pickle.dumps(_Bomb(marker)))
    with pytest.raises(ModelUnavailable, match=r"plain.pth"):
        load_firefly(folder / "plain.pth", "cpu")
    assert not marker.exists()


def test_damaged_files_are_refused(folder: Path) -> None:
    whole = (FIREFLY / "model.pth").read_bytes()
    damaged = [b"", b"hello", whole[:1_000], whole[: len(whole) // 2], whole[-1_000:], b"\0" * 5_000]
    damaged += [whole[:offset] + b"\xff" * 64 + whole[offset + 64 :] for offset in (0, 100, 600)]
    for content in damaged:
        (folder / "codec.pth").write_bytes(content)
        with pytest.raises(ModelUnavailable, match=r"codec.pth"):
            load_firefly(folder / "codec.pth", "cpu")


def test_files_that_are_not_there_are_named(folder: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"lacks the file codec.pth"):
        load_firefly(folder / "codec.pth", "cpu")
    with pytest.raises(ModelUnavailable, match=r"lacks the file"):
        load_firefly(folder, "cpu")
    with pytest.raises(ModelUnavailable, match=r"lacks the file vocoder.pth"):
        load_vqgan(VQGAN / "model.pth", VQGAN / "vocoder.pth", "cpu")
    with pytest.raises(ModelUnavailable, match=r"lacks the file"):
        load_vits(folder / "vits.ckpt", "cpu")


def test_files_of_other_models_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"model.pth lacks backbone"):
        load_vqgan(VQGAN / "model.pth", VQGAN / "model.pth", "cpu")
    path = write_vits(tmp_path)
    with pytest.raises(ModelUnavailable, match=r"vits_decoder_v1.1.ckpt lacks backbone"):
        load_firefly(path, "cpu")
    tensors = torch.load(path, weights_only=True)["state_dict"]
    torch.save({name: tensor for name, tensor in tensors.items() if ".vq." not in name}, path)
    with pytest.raises(ModelUnavailable, match=r"vits_decoder_v1.1.ckpt lacks vq.encoder"):
        load_vits(path, "cpu")


def test_what_training_left_is_not_read() -> None:
    assert not any("discriminator" in name for name in read_state_dict(VQGAN / "vocoder.ckpt"))
