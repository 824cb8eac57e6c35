"""The tokenizer beside the checkpoint: RoBERTa's, built from its older files or taken as it is."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import RobertaTokenizer

from deployments.text_classification.conversion.refusal import ConversionRefused
from deployments.text_classification.conversion.tokenizer import read_tokenizer
from tests.deployments.text_classification.conversion import original


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return original.write_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture(scope="module")
def built(folder: Path) -> Tokenizer:
    return Tokenizer.from_buffer(read_tokenizer(str(folder), 300))


@pytest.fixture(scope="module")
def reference(folder: Path) -> Any:
    merges = [tuple(merge.split(" ")) for merge in original.MERGES]
    return RobertaTokenizer(json.loads((folder / "vocab.json").read_text()), merges)


def test_merges_are_used(built: Tokenizer) -> None:
    assert built.encode("hello world").tokens == ["<s>", "hello", "Ġwo", "r", "l", "d", "</s>"]
    assert built.encode("").ids == [0, 2]
    assert built.encode("<mask>").ids == [0, 299, 2]


@given(text=st.text(max_size=40) | st.text("hel wo<mask>/s", max_size=40))
def test_ids_are_those_of_the_library(built: Tokenizer, reference: Any, text: str) -> None:
    assert built.encode(text).ids == reference(text)["input_ids"]


def test_a_whole_tokenizer_is_taken_as_it_is(tmp_path: Path, built: Tokenizer) -> None:
    (tmp_path / "tokenizer.json").write_text(built.to_str(pretty=True))
    (tmp_path / "vocab.json").write_text("not looked at")
    assert read_tokenizer(str(tmp_path), 300) == (tmp_path / "tokenizer.json").read_bytes()


def changed(folder: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None]) -> str:
    """The refusal of a tokenizer.json after a change."""
    content = json.loads(read_tokenizer(str(folder), 300))
    change(content)
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(ConversionRefused) as refused:
        read_tokenizer(str(tmp_path), 300)
    return refused.value.message


def _swap(content: dict[str, Any]) -> None:
    vocabulary = content["model"]["vocab"]
    vocabulary["<s>"], vocabulary["<pad>"] = 1, 0
    content["added_tokens"] = []


def test_tokenizers_of_other_models(folder: Path, tmp_path: Path) -> None:
    assert "The token <s> of" in changed(folder, tmp_path, _swap)
    assert "does not put texts between <s> and </s>" in changed(
        folder, tmp_path, lambda content: content.update(post_processor=None)
    )
    with pytest.raises(ConversionRefused, match="has tokens up to 299, the model has 299 embeddings"):
        read_tokenizer(str(folder), 299)


def test_broken_files(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_bytes((folder / "vocab.json").read_bytes())
    with pytest.raises(ConversionRefused, match=r"has no tokenizer\.json, and not both of vocab\.json and merges"):
        read_tokenizer(str(tmp_path), 300)
    (tmp_path / "merges.txt").write_text("no such tokens at all\n")
    with pytest.raises(ConversionRefused, match=r"vocab\.json and merges\.txt of .* cannot be read"):
        read_tokenizer(str(tmp_path), 300)
    (tmp_path / "merges.txt").write_text("")
    (tmp_path / "vocab.json").write_text('{"<s>": 0, "</s>": 2}')
    with pytest.raises(ConversionRefused, match=r"The token <pad> of .* is None instead of 1"):
        read_tokenizer(str(tmp_path), 300)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ConversionRefused, match=r"The tokenizer of .* cannot be read"):
        read_tokenizer(str(tmp_path), 300)
