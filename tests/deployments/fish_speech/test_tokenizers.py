"""Tokenizers of both versions: the original's ids, control tokens that nobody can type, and broken files."""

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import models, pre_tokenizers, trainers

from deployments.errors import ModelUnavailable
from deployments.fish_speech.v11 import tokenizer as v11
from deployments.fish_speech.v15.tokenizer import RANKS, SPECIAL_TOKENS, Tokenizer
from tests.deployments.fish_speech.language_model.support import V15, described

NEW = Tokenizer(V15)
CONTROL_TEXTS = ["<|im_end|>", "<|semantic:7|>x", "a<|im_start|>user\n", "<|end_of_sequence|>", "<|semantic|>"]


@pytest.mark.parametrize("case", described("v15")["tokenizer_cases"], ids=lambda case: repr(case["text"])[:20])
def test_ids_of_text_are_the_originals(case: dict[str, Any]) -> None:
    assert Tokenizer(V15).encode(case["text"]) == case["ids_no_special"]


def test_control_tokens_of_1_5_are_those_of_the_file() -> None:
    tokenizer, said = Tokenizer(V15), described("v15")
    assert (tokenizer.im_start, tokenizer.im_end, tokenizer.voice) == (280, said["im_end"], 287)
    assert tokenizer.semantic == range(said["semantic_begin_id"], said["semantic_end_id"] + 1)


@pytest.mark.parametrize(
    "text", ["a" * 20_000, " " * 20_000, "\n" * 20_000, "?!" * 10_000, "\u3000" * 9_999 + "x", "\ud800"]
)
def test_long_and_odd_texts_have_ids(text: str) -> None:
    assert Tokenizer(V15).encode(text)


@given(st.text(max_size=60) | st.sampled_from(CONTROL_TEXTS))
def test_nobody_types_a_control_token(text: str) -> None:
    new, old = NEW, v11.ByteTokenizer()
    assert all(number < 277 for number in new.encode(text))
    assert all(number > 6 for number in old.encode(text))
    assert len(old.encode(text)) == len(text.encode("utf-8", "replace"))


def test_it_asks_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("a connection")

    monkeypatch.setattr(socket.socket, "connect", refused)
    assert Tokenizer(V15).encode("hello")


def fish_1_1() -> tokenizers.Tokenizer:
    """As the original's script makes it."""
    made = tokenizers.Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    names = ["begin_of_sequence", "end_of_sequence", "im_start", "im_sep", "im_end", "semantic", "pad"]
    trainer = trainers.BpeTrainer(
        special_tokens=[f"<|{name}|>" for name in names],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        vocab_size=0,
        show_progress=False,
    )
    made.train_from_iterator([], trainer)
    return made


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer") / v11.FILE
    fish_1_1().save(str(path))
    return path


@given(text=st.text(max_size=60) | st.sampled_from(CONTROL_TEXTS))
def test_the_byte_table_is_what_the_originals_file_does(original: Path, text: str) -> None:
    assert v11.FileTokenizer(original).encode(text) == v11.ByteTokenizer().encode(text)


def test_control_tokens_of_1_1_are_those_of_the_file(original: Path, tmp_path: Path) -> None:
    by_file, by_table = v11.load_tokenizer(original.parent), v11.load_tokenizer(tmp_path)
    for tokenizer in (by_file, by_table):
        assert (tokenizer.semantic, tokenizer.im_end, tokenizer.end) == (5, 4, 1)
        assert [tokenizer.control(name) for name in (v11.BEGIN, v11.IM_START, v11.IM_SEP, v11.PAD)] == [
            [0],
            [2],
            [3],
            [6],
        ]
    assert isinstance(by_file, v11.FileTokenizer)


def test_the_file_decides_about_ids(original: Path, tmp_path: Path) -> None:
    said = json.loads(original.read_text())
    vocabulary = said["model"]["vocab"]
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]
    (tmp_path / v11.FILE).write_text(json.dumps(said))
    changed, table = v11.load_tokenizer(tmp_path), v11.ByteTokenizer()
    assert changed.encode("abc") == table.encode("bac")


def _copy(folder: Path) -> None:
    for name in (RANKS, SPECIAL_TOKENS):
        (folder / name).write_bytes((V15 / name).read_bytes())


def _without(name: str) -> Callable[[Path], object]:
    def broken(folder: Path) -> None:
        tokens = json.loads((folder / SPECIAL_TOKENS).read_text())
        del tokens[name]
        (folder / SPECIAL_TOKENS).write_text(json.dumps(tokens))

    return broken


BROKEN_1_5: dict[str, tuple[Callable[[Path], object], str]] = {
    "no ranks": (lambda folder: (folder / RANKS).unlink(), "lacks the file tokenizer.tiktoken"),
    "no tokens": (lambda folder: (folder / SPECIAL_TOKENS).unlink(), "lacks the file special_tokens.json"),
    "no base64": (lambda folder: (folder / RANKS).write_text("?? 1\n"), "tokenizer.tiktoken has lines"),
    "no rank": (lambda folder: (folder / RANKS).write_text("QQ==\n"), "tokenizer.tiktoken has lines"),
    "binary": (lambda folder: (folder / RANKS).write_bytes(b"\x80\x04\x95"), "tokenizer.tiktoken has lines"),
    "no byte": (lambda folder: (folder / RANKS).write_text("QQ== 0\n"), "no token for the byte 0"),
    "not JSON": (lambda folder: (folder / SPECIAL_TOKENS).write_text("{"), "special_tokens.json is not JSON"),
    "a list": (lambda folder: (folder / SPECIAL_TOKENS).write_text("[1]"), "does not say the ids"),
    "a name": (lambda folder: (folder / SPECIAL_TOKENS).write_text('{"a": "b"}'), "does not say the ids"),
    "no end": (_without("<|im_end|>"), r"lacks <\|im_end\|>"),
    "no codes": (_without("<|semantic:0|>"), r"lacks <\|semantic:0\|>"),
}


@pytest.mark.parametrize("kind", BROKEN_1_5)
def test_broken_files_of_1_5_are_named(tmp_path: Path, kind: str) -> None:
    _copy(tmp_path)
    broken, message = BROKEN_1_5[kind]
    broken(tmp_path)
    with pytest.raises(ModelUnavailable, match=message):
        Tokenizer(tmp_path)


def test_semantic_ids_in_disorder_are_refused(tmp_path: Path) -> None:
    _copy(tmp_path)
    tokens = json.loads((tmp_path / SPECIAL_TOKENS).read_text())
    tokens["<|semantic:5|>"] = 5_000
    (tmp_path / SPECIAL_TOKENS).write_text(json.dumps(tokens))
    with pytest.raises(ModelUnavailable, match="consecutive"):
        Tokenizer(tmp_path)


def test_broken_files_of_1_1_are_named(tmp_path: Path) -> None:
    path = tmp_path / v11.FILE
    for content in ("{", '{"model": 3}'):
        path.write_text(content)
        with pytest.raises(ModelUnavailable, match=r"tokenizer\.json is not a tokenizer"):
            v11.load_tokenizer(tmp_path)
    tokenizers.Tokenizer(models.BPE()).save(str(path))
    with pytest.raises(ModelUnavailable, match=r"tokenizer\.json lacks <\|begin_of_sequence\|>"):
        v11.load_tokenizer(tmp_path)
    with pytest.raises(ModelUnavailable, match="lacks the file"):
        v11.FileTokenizer(tmp_path / "absent.json")
