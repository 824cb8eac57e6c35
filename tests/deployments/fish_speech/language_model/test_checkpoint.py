"""Files of language models: every layout that exists, and every way to be broken, named."""

import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from deployments.errors import ModelUnavailable
from deployments.fish_speech.language_model.dual_ar import DualAR
from deployments.fish_speech.v11 import checkpoint as v11
from deployments.fish_speech.v15 import checkpoint as v15
from deployments.fish_speech.v15.tokenizer import Tokenizer
from tests.deployments.fish_speech.language_model.support import V11, V15, network

State = dict[str, Tensor]
WQKV = "layers.0.attention.wqkv.weight"


def state(folder: Path) -> State:
    """The tensors of a golden."""
    tensors: State = torch.load(folder / "model.pth", weights_only=True)
    return tensors


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model of 1.5."""
    for path in V15.glob("*"):
        if path.suffix != ".npz":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def loaded(folder: Path, dtype: torch.dtype = torch.float32) -> DualAR:
    return v15.load_network(folder, Tokenizer(folder), dtype=dtype)


def same(ours: DualAR, theirs: DualAR) -> bool:
    one, other = ours.state_dict(), theirs.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def configured(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def legacy(tensors: State) -> State:
    changed_tensors = dict(tensors)
    for name in [name for name in tensors if name.endswith(".wqkv.weight")]:
        dim = tensors[name].shape[1]
        kv = (tensors[name].shape[0] - dim) // 2
        for part, tensor in zip("qkv", changed_tensors.pop(name).split([dim, kv, kv]), strict=True):
            changed_tensors[name.replace("wqkv", f"w{part}")] = tensor
    return changed_tensors


def with_others(tensors: State) -> State:
    return {
        **tensors,
        "layers.0.attention.kv_cache.k_cache": torch.zeros(1, 2, 8, 8),
        "layers.0.attention.wqkv.lora_A": torch.zeros(4, 32),
        "freqs_cis": torch.zeros(3, dtype=torch.bfloat16),
        "causal_mask": torch.zeros(3, dtype=torch.bool),
        "score_output.weight": torch.zeros(1, 32),
        "fast_layers.9.attention.wo.weight": torch.zeros(1),
    }


LAYOUTS: dict[str, Callable[[State], Any]] = {
    "training": lambda tensors: {
        "state_dict": {f"model.{name}": tensor for name, tensor in tensors.items()} | {"other": torch.zeros(1)},
        "global_step": 5,
        "optimizer_states": [],
    },
    "prefix": lambda tensors: {f"model.{name}": tensor for name, tensor in tensors.items()},
    "apart": legacy,
    "more": with_others,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_the_same_model(folder: Path, layout: str) -> None:
    torch.save(LAYOUTS[layout](state(V15)), folder / "model.pth")
    assert same(loaded(folder), network("v15"))


def test_files_of_the_old_format_are_read_too(folder: Path) -> None:
    torch.save(state(V15), folder / "model.pth", _use_new_zipfile_serialization=False)
    assert not zipfile.is_zipfile(folder / "model.pth")
    assert same(loaded(folder), network("v15"))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_types(folder: Path, dtype: torch.dtype) -> None:
    half = loaded(folder, dtype)
    assert {parameter.dtype for parameter in half.parameters()} == {dtype}
    assert torch.equal(half.norm.weight, network("v15").norm.weight.to(dtype))
    torch.save({name: tensor.to(dtype) for name, tensor in state(V15).items()}, folder / "model.pth")
    assert same(loaded(folder, dtype), half)
    assert loaded(folder).dtype == torch.float32


def test_weights_do_not_hang_on_their_file(folder: Path) -> None:
    kept = loaded(folder)
    with (folder / "model.pth").open("r+b") as file:
        file.write(bytes((folder / "model.pth").stat().st_size))
    assert same(kept, network("v15"))
    assert not any(parameter.requires_grad for parameter in kept.parameters())
    assert not kept.training


def test_a_tied_model_has_no_head_of_its_own(folder: Path) -> None:
    configured(folder, tie_word_embeddings=True)
    tied = loaded(folder)
    assert tied.output is None
    assert tied.token_head() is tied.embeddings.weight
    without = state(V15)
    del without["output.weight"]
    torch.save(without, folder / "model.pth")
    assert same(loaded(folder), tied)


def test_every_tensor_of_the_original_is_in_the_network_and_no_other() -> None:
    ours, theirs = network("v15").state_dict(), state(V15)
    for name in [name for name in ours if ".w13." in name]:
        ours[name.replace(".w13.", ".w1.")], ours[name.replace(".w13.", ".w3.")] = ours.pop(name).chunk(2)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def changed(name: str, tensor: Tensor | None) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        tensors = state(V15)
        tensors.pop(name) if tensor is None else tensors.update({name: tensor})
        torch.save(tensors, folder / "model.pth")

    return change


class Evil:
    """What runs if it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("executed"),)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:90_000])


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "naive": (lambda folder: configured(folder, model_type="naive"), "model_type 'naive'; only 'dual_ar'"),
    "no type": (lambda folder: (folder / "config.json").write_text("[1]"), "model_type None"),
    "not JSON": (lambda folder: (folder / "config.json").write_text("{"), "config.json is not JSON"),
    "no config": (lambda folder: (folder / "config.json").unlink(), "lacks the file config.json"),
    "words": (lambda folder: configured(folder, n_layer="two"), "has no sizes of a dual_ar model: n_layer"),
    "heads": (lambda folder: configured(folder, n_head=5), "does not divide"),
    "scaled": (lambda folder: configured(folder, scale_codebook_embeddings=True), "scale_codebook_embeddings"),
    "few codes": (lambda folder: configured(folder, codebook_size=512), "1024 semantic tokens up to id 1312"),
    "few tokens": (lambda folder: configured(folder, vocab_size=1_312), "and 1312 tokens"),
    "no weights": (lambda folder: (folder / "model.pth").unlink(), "lacks the file model.pth"),
    "empty": (lambda folder: (folder / "model.pth").write_bytes(b""), "model.pth"),
    "cut": (lambda folder: cut(folder / "model.pth"), "model.pth"),
    "pickle": (lambda folder: (folder / "model.pth").write_bytes(pickle.dumps({"a": Evil()})), "model.pth"),
    "objects": (lambda folder: torch.save({"a": Evil()}, folder / "model.pth"), "model.pth"),
    "a tensor": (lambda folder: torch.save(torch.zeros(3), folder / "model.pth"), "no state dict"),
    "other model": (lambda folder: torch.save({"x": torch.zeros(3)}, folder / "model.pth"), "lacks embeddings"),
    "missing": (changed("fast_layers.1.ffn_norm.weight", None), r"pth lacks fast_layers.1.ffn_norm.weight\."),
    "part": (changed("layers.0.feed_forward.w3.weight", None), r"lacks layers.0.feed_forward.w3.weight\."),
    "shape": (changed(WQKV, torch.zeros(60, 32)), rf"{WQKV} is \(60, 32\) instead of \(64, 32\)"),
    "half": (
        changed("layers.1.feed_forward.w1.weight", torch.zeros(65, 32)),
        r"layers.1.feed_forward.w1.weight is \(65, 32\) instead of \(64, 32\)",
    ),
    "quantised": (changed(WQKV, torch.zeros(64, 32, dtype=torch.int8)), "quantised weights are not supported"),
    "deeper": (lambda folder: configured(folder, n_layer=3), r"layers.2.attention.wqkv.weight, .* and 4 more"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_broken_is_named(folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    broken, message = BROKEN[kind]
    broken(folder)
    with pytest.raises(ModelUnavailable, match=message):
        loaded(folder)
    assert not (folder / "executed").exists()


def old_folder(
    tmp_path: Path, tensors: State, config: dict[str, Any] | None = None, name: str = "model.pth"
) -> Path:
    torch.save(tensors, tmp_path / name)
    if config is not None:
        (tmp_path / "config.json").write_text(json.dumps(config))
    return tmp_path


def test_sizes_of_1_1_are_those_of_the_tensors(tmp_path: Path) -> None:
    path = old_folder(tmp_path, state(V11), {"n_head": 4}, "text2semantic-sft-medium-v1-4k.pth")
    loaded_network, expected = v11.load_network(path), network("v11")
    assert loaded_network.config == expected.config.model_copy(update={"max_seq_len": 4_096})
    assert same(loaded_network, expected)
    assert v11.load_network(path / "text2semantic-sft-medium-v1-4k.pth").config == loaded_network.config


def test_a_released_size_of_1_1_has_the_released_heads(tmp_path: Path) -> None:
    dim, vocab, codes, width = 768, 264, 1_032, 256
    layer = {
        "attention.wqkv": (3 * dim, dim), "attention.wo": (dim, dim), "feed_forward.w1": (width, dim),
        "feed_forward.w2": (dim, width), "feed_forward.w3": (width, dim), "attention_norm": (dim,),
        "ffn_norm": (dim,),
    }  # fmt: skip
    shapes = {
        **{f"{stack}layers.0.{name}": shape for stack in ("", "fast_") for name, shape in layer.items()},
        "embeddings": (vocab + 2 * codes, dim), "norm": (dim,), "output": (vocab, dim), "fast_norm": (dim,),
        "fast_embeddings": (codes, dim), "fast_output": (codes, dim),
    }  # fmt: skip
    tensors = {f"{name}.weight": torch.zeros(shape, dtype=torch.bfloat16) for name, shape in shapes.items()}
    path = old_folder(tmp_path, tensors)
    for name in (None, "dual_ar_2_codebook_small"):
        slow = v11.load_network(path, name=name, dtype=torch.bfloat16).config.slow
        assert (slow.n_head, slow.n_local_heads, slow.head_dim) == (12, 12, 64)
    config = v11.load_network(path, dtype=torch.bfloat16).config
    assert (config.vocab_size, config.codebook_size, config.num_codebooks, config.max_seq_len) == (
        264,
        1_032,
        2,
        2_048,
    )
    assert (config.n_layer, config.n_fast_layer, config.rope_base, config.norm_eps) == (1, 1, 10_000, 1e-5)


BROKEN_1_1: dict[str, tuple[Callable[[State], State], str]] = {
    "nothing": (lambda tensors: {}, "lacks embeddings.weight"),
    "no head": (
        lambda tensors: {**tensors, "output.weight": torch.zeros(3)},
        "output.weight, or it is no matrix",
    ),
    "no codes": (
        lambda tensors: {**tensors, "embeddings.weight": torch.zeros(264, 48)},
        "num_codebooks|fit no model",
    ),
    "odd dim": (lambda tensors: {**tensors, "embeddings.weight": torch.zeros(2_328, 47)}, "fit no model"),
    "layer": (
        lambda tensors: {name: tensor for name, tensor in tensors.items() if "layers.1.ffn_norm" not in name},
        "lacks layers.1.ffn_norm.weight",
    ),
}


@pytest.mark.parametrize("kind", BROKEN_1_1)
def test_what_is_broken_in_1_1_is_named(tmp_path: Path, kind: str) -> None:
    change, message = BROKEN_1_1[kind]
    path = old_folder(tmp_path, change(state(V11)), {"n_head": 4})
    with pytest.raises(ModelUnavailable, match=message):
        v11.load_network(path)


def test_other_mistakes_with_1_1(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"lacks the file text2semantic\*\.pth"):
        v11.load_network(tmp_path)
    path = old_folder(tmp_path, state(V11), {"n_head": "many"})
    with pytest.raises(ModelUnavailable, match=r"config\.json has no sizes"):
        v11.load_network(path)
    (path / "config.json").unlink()
    with pytest.raises(
        ModelUnavailable, match=r"There is no configuration 'huge'; there are dual_ar_2_codebook_small"
    ):
        v11.load_network(path, name="huge")
