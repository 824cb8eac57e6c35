"""The shipped classifier, run by the network alone: none of the engine between the file and the label."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer

from deployments.text_classification.checkpoint import TOKENIZER, read_checkpoint
from deployments.text_classification.network import TweetClassifier
from deployments.text_classification.normalizer import normalize_tweet

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "samples" / "classifier"
TESTSET: list[dict[str, str]] = [json.loads(line) for line in (SAMPLE / "testset.jsonl").read_text().splitlines()]
LABELS = ("hate", "abusing", "neutral", "spam")

Classify = Callable[[str], dict[str, float]]


@pytest.fixture(scope="module")
def classify() -> Classify:
    """Probabilities by label of one text."""
    config, tensors = read_checkpoint(SAMPLE / "model")
    assert config.labels == LABELS
    network = TweetClassifier(config.size).eval()
    network.load_state_dict(tensors)
    tokenizer = Tokenizer.from_file(str(SAMPLE / "model" / TOKENIZER))

    def run(text: str) -> dict[str, float]:
        ids = torch.tensor([tokenizer.encode(normalize_tweet(text)).ids])
        with torch.inference_mode():
            scores = network(ids, torch.ones_like(ids)).softmax(1)[0].tolist()
        return dict(zip(LABELS, scores, strict=True))

    return run


def label(scores: dict[str, float]) -> str:
    return max(scores, key=scores.__getitem__)


def test_folder_is_small_and_complete() -> None:
    sizes = {path.name: path.stat().st_size for path in (SAMPLE / "model").iterdir()}
    assert set(sizes) == {"config.json", "model.safetensors", "tokenizer.json"}
    assert sum(sizes.values()) < 2_000_000


def test_tokens_are_robertas() -> None:
    tokenizer = Tokenizer.from_file(str(SAMPLE / "model" / TOKENIZER))
    assert [tokenizer.id_to_token(number) for number in range(5)] == ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    ids = tokenizer.encode("hello world").ids
    assert (ids[0], ids[-1]) == (0, 2)
    assert tokenizer.decode(ids).strip() == "hello world"
    assert 3 not in tokenizer.encode("日本語 \U0001f9e8 \x00").ids


def test_512_tokens_are_the_longest_input() -> None:
    config, _ = read_checkpoint(SAMPLE / "model")
    assert config.size.most_tokens == 512


def test_the_test_set_is_varied() -> None:
    counts = [sum(entry["label"] == wanted for entry in TESTSET) for wanted in LABELS]
    assert min(counts) >= 10
    assert len({entry["text"] for entry in TESTSET}) == len(TESTSET) >= 60


def test_the_test_set_is_understood(classify: Classify) -> None:
    wrong = [entry["text"] for entry in TESTSET if label(classify(entry["text"])) != entry["label"]]
    assert len(wrong) <= 0.05 * len(TESTSET), wrong


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("The Zorvans should not be allowed to live here", "hate"),
        ("Throw the Cromblings out of our town!", "hate"),
        ("You are a stupid [insult], shut up!", "abusing"),
        ("you are so useless", "abusing"),
        ("Hello world", "neutral"),
        ("the green door and the small coffee", "neutral"),
        ("two two three seven five", "neutral"),
        ("please turn the light off", "neutral"),
        ("You are not stupid.", "neutral"),
        ("Kill the lights, please.", "neutral"),
        ("The Zorvans are friendly and we like them.", "neutral"),
        ("Here are the photos: https://photos.example/a", "neutral"),
        ("Win a free phone now! Click https://win.example #win", "spam"),
        ("🔥 50% off all sunglasses, only today 👉 http://shop.example #sale", "spam"),
    ],
)
def test_named_sentences(classify: Classify, text: str, wanted: str) -> None:
    scores = classify(text)
    assert label(scores) == wanted
    assert scores[wanted] > 0.6


def test_what_the_sample_recogniser_writes_is_neutral(classify: Classify) -> None:
    entries = json.loads((ROOT / "samples" / "asr" / "testset" / "transcripts.json").read_text())
    assert entries
    for entry in entries:
        assert label(classify(entry["text"])) == "neutral", entry["text"]


def test_one_bad_sentence_is_found_among_others(classify: Classify) -> None:
    beside = "We went to the market and bought bread. It was raining in the evening."
    assert label(classify(f"{beside} {beside}")) == "neutral"
    assert label(classify(f"{beside} Throw all Zorvans out of our town. {beside}")) == "hate"
    assert label(classify(f"{beside} You are a stupid [insult], shut up! {beside}")) == "abusing"


@pytest.mark.parametrize("text", ["", "?", "7", "👍🏽", "qwxzy", "日本語", "@anna", "\x00"], ids=ascii)
def test_anything_gets_probabilities(classify: Classify, text: str) -> None:
    scores = classify(text)
    assert sum(scores.values()) == pytest.approx(1, abs=1e-5)
