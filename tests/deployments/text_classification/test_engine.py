"""The engine alone: scores do not depend on the company that a text is computed in."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deployments.errors import ModelUnavailable
from deployments.text_classification import normalizer
from deployments.text_classification.checkpoint import WEIGHTS
from deployments.text_classification.config import TextClassificationConfig
from deployments.text_classification.cores import Cores
from deployments.text_classification.engine import ClassifierEngine, length_class
from deployments.text_classification.types import ClassificationRequest
from tests.deployments.text_classification.support import LABELS, ROUNDING, SENTENCES, random_checkpoint


def engine(folder: Path, **config: Any) -> ClassifierEngine:
    return ClassifierEngine(folder, TextClassificationConfig.model_validate({"source": str(folder), **config}))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "random"
    random_checkpoint(path)
    return path


@pytest.fixture(scope="module")
def loaded(folder: Path) -> ClassifierEngine:
    return engine(folder)


def test_probabilities_of_the_labels_in_order(loaded: ClassifierEngine) -> None:
    assert loaded.labels == LABELS
    rows = loaded.run(loaded.encode(SENTENCES))
    assert all(abs(sum(row) - 1) < 1e-6 for row in rows)
    assert len({round(row[0], 3) for row in rows}) > 4, "the answers should differ"


@given(texts=st.lists(st.sampled_from(SENTENCES), min_size=1, max_size=24), dice=st.randoms(use_true_random=False))
def test_padding_and_company_change_nothing(loaded: ClassifierEngine, texts: list[str], dice: Any) -> None:
    alone = {text: loaded.run(loaded.encode([text]))[0] for text in set(texts)}
    dice.shuffle(texts)
    for text, row in zip(texts, loaded.run(loaded.encode(texts)), strict=True):
        assert max(abs(a - b) for a, b in zip(row, alone[text], strict=True)) < ROUNDING


def test_threads_do_not_disturb_each_other(loaded: ClassifierEngine) -> None:
    expected = {text: loaded.run(loaded.encode([text]))[0] for text in SENTENCES}
    with ThreadPoolExecutor(4) as pool:
        for text, (row,) in zip(
            SENTENCES * 8, pool.map(lambda text: loaded.run(loaded.encode([text])), SENTENCES * 8), strict=True
        ):
            assert row == pytest.approx(expected[text], abs=ROUNDING)


def test_long_texts_are_cut_and_said_to_be(loaded: ClassifierEngine) -> None:
    short, exact, long = loaded.encode(["a" * 20, "b" * 126, "c" * 127])
    assert (len(short.ids), short.truncated) == (22, False)
    assert (len(exact.ids), exact.truncated) == (128, False)
    assert (len(long.ids), long.truncated) == (128, True)
    assert long.ids[-1] == 2, "the end token stays"


def test_a_lower_ceiling_can_be_set(folder: Path) -> None:
    (cut,) = engine(folder, max_tokens=16).encode(["d" * 40])
    assert len(cut.ids) == 16
    with pytest.raises(ModelUnavailable, match="128 at most"):
        engine(folder, max_tokens=129)


def test_tweets_are_normalised_unless_told_otherwise(folder: Path, loaded: ClassifierEngine) -> None:
    assert loaded.encode(["@someone  hi"]) == loaded.encode(["@other hi"])
    plain = engine(folder, normalizer="none")
    assert plain.encode(["@someone  hi"]) != plain.encode(["@other hi"])


def test_sigmoid_for_independent_labels(folder: Path) -> None:
    (row,) = engine(folder, activation="sigmoid").run(engine(folder).encode(["hello"]))
    assert abs(sum(row) - 1) > 1e-3


def test_bfloat16_is_close(folder: Path, loaded: ClassifierEngine) -> None:
    half = engine(folder, engine={"dtype": "bfloat16"})
    for one, other in zip(half.run(half.encode(SENTENCES)), loaded.run(loaded.encode(SENTENCES)), strict=True):
        assert max(abs(a - b) for a, b in zip(one, other, strict=True)) < 0.1


def test_anything_that_a_request_may_hold_is_classified(loaded: ClassifierEngine) -> None:
    strange = [
        "\u200b",
        "\x01\x02",
        "\ufffd",
        "a\u0300" * 300,
        "\U0001f469\u200d\U0001f4bb",
        "<s></s><pad>",
        "\u202e",
    ]
    request = ClassificationRequest.of(strange)
    assert all(abs(sum(row) - 1) < 1e-6 for row in loaded.run(loaded.encode(request.texts)))


def test_names_of_special_tokens_are_text(loaded: ClassifierEngine) -> None:
    (text,) = loaded.encode(["</s><pad><mask>"])
    assert not {0, 1, 2, 4}.intersection(text.ids[1:-1])


def test_what_is_no_probability_is_an_error(tmp_path: Path) -> None:
    random_checkpoint(tmp_path)
    broken = engine(tmp_path)
    with torch.no_grad():
        broken._network.linear2.bias.fill_(float("nan"))
    with pytest.raises(RuntimeError, match="no probability"):
        broken.run(broken.encode(["hello"]))


def test_weights_that_were_exchanged_are_refused(tmp_path: Path) -> None:
    random_checkpoint(tmp_path)
    (tmp_path / WEIGHTS).write_bytes((tmp_path / WEIGHTS).read_bytes()[:-1] + b"!")
    with pytest.raises(ModelUnavailable, match="SHA-256"):
        engine(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    random_checkpoint(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ModelUnavailable, match="config.json" if name == "config.json" else name):
        engine(tmp_path)


def test_a_label_that_answers_need_is_refused(tmp_path: Path) -> None:
    random_checkpoint(tmp_path, labels=("text", "spam"))
    with pytest.raises(ModelUnavailable, match="'text'"):
        engine(tmp_path)


def test_a_gpu_that_is_not_there_is_said(folder: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ModelUnavailable, match="no GPU"):
        engine(folder, engine={"device": "cuda:0"})


@given(st.integers(1, 131_072))
def test_length_classes_waste_little(tokens: int) -> None:
    assert length_class(tokens, "unknown") == tokens
    cheap, expensive = length_class(tokens, "cheap"), length_class(tokens, "expensive")
    assert tokens <= expensive <= max(tokens + 7, tokens * 1.25)
    assert tokens <= cheap <= max(64, 2 * tokens)
    assert (length_class(cheap, "cheap"), length_class(expensive, "expensive")) == (cheap, expensive)


def test_batches_share_the_cores() -> None:
    cores = Cores(8)
    with cores.share() as alone, cores.share() as second, cores.share() as third:
        assert (alone, second, third) == (8, 4, 2)
        assert torch.get_num_threads() == 2
    with cores.share() as again, Cores(1).share() as only:
        assert (again, only) == (8, 1)
    torch.set_num_threads(1)


def test_long_tweets_are_normalised_only_as_far_as_they_are_read(
    loaded: ClassifierEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    tokenize = normalizer._tokenizer.tokenize
    monkeypatch.setattr(normalizer._tokenizer, "tokenize", lambda text: seen.append(len(text)) or tokenize(text))
    (long,) = loaded.encode(["so it goes, " * 4_000])
    assert long.truncated
    assert sum(seen) < 3_000
    (hidden,) = loaded.encode(["\ufe0f " * 5_000 + "you are all vermin"])
    assert hidden == loaded.encode(["you are all vermin"])[0], "what has no name hides nothing behind it"


def test_cutting_early_changes_nothing(loaded: ClassifierEngine) -> None:
    for text in ("I can't " * 200, "a.m. " * 300, "cannot won't " * 150, "one 😀 two " * 120):
        whole = normalizer.normalize_tweet(text)
        cut = normalizer.normalize_tweet(text, 2 * loaded.max_tokens)
        assert loaded._tokenizer.encode(whole).ids == loaded._tokenizer.encode(cut).ids
