"""The recipe's templates and texts; and the recipe itself in miniature."""

import json
import random
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

from deployments.text_classification.checkpoint import read_checkpoint
from deployments.text_classification.normalizer import normalize_tweet
from samples.classifier.recipe.augment import vary
from samples.classifier.recipe.evaluate import read_testset
from samples.classifier.recipe.templates import (
    KINDS,
    LABELS,
    SLOTS,
    UNSEEN_HEADS,
    UNSEEN_SLOTS,
    fill,
    held_out_templates,
    loose_templates,
    pattern,
    training_templates,
)
from samples.classifier.recipe.texts import Labelled, held_out_texts, training_texts

ROOT = Path(__file__).parents[2]
TESTSET = ROOT / "samples" / "classifier" / "testset.jsonl"
ALL = [
    (kind, template)
    for kind in KINDS
    for template in training_templates(kind) + held_out_templates(kind) + loose_templates(kind)
]


def test_every_template_fills() -> None:
    rng = random.Random(1)
    for kind, template in ALL:
        for _ in range(5):
            text = fill(template, rng)
            assert text.strip(), (kind, template)
            assert not set("{}~*") & set(text), text
            assert text == " ".join(text.split())


def test_every_slot_is_used_and_known() -> None:
    wanted = {slot for _, template in ALL for slot in re.findall(r"\{(\w+)\}", template)}
    wanted |= {slot for values in SLOTS.values() for value in values for slot in re.findall(r"\{(\w+)\}", value)}
    assert wanted == set(SLOTS)
    assert all(len(values) == len(set(values)) for name, values in SLOTS.items() if name != "any")


def test_no_template_has_two_labels_or_comes_twice() -> None:
    counts = Counter(template for _, template in ALL)
    assert [template for template, count in counts.items() if count > 1] == []


def test_a_part_of_every_kind_is_held_out() -> None:
    for kind in KINDS:
        held_out, trained = held_out_templates(kind), training_templates(kind)
        assert len(held_out) >= 25
        assert 0.1 < len(held_out) / (len(held_out) + len(trained)) < 0.2


def test_held_out_sentences_are_not_trained_on() -> None:
    trained = {re.sub(r"\W", "", t.text.lower()) for t in training_texts(4_000, random.Random(1))}
    seen = [t.text for t in held_out_texts(2, random.Random(2)) if re.sub(r"\W", "", t.text.lower()) in trained]
    assert seen == []


def test_the_test_set_is_not_trained_on() -> None:
    possible = re.compile("|".join(pattern(t) for kind in KINDS for t in training_templates(kind)), re.IGNORECASE)
    assert [text.text for text in read_testset(TESTSET) if possible.fullmatch(text.text)] == []


def test_unseen_names_are_not_trained_on() -> None:
    names = re.compile(pattern("{people}"))
    rng = random.Random(1)
    for _ in range(200):
        name = fill("{people}", rng, UNSEEN_SLOTS)
        assert name.startswith(UNSEEN_HEADS)
        assert not names.fullmatch(name)


def test_texts_are_balanced_and_reproducible() -> None:
    texts = training_texts(1_000, random.Random(1))
    assert texts == training_texts(1_000, random.Random(1))
    counts = Counter(text.label for text in texts)
    assert counts == {"hate": 200, "abusing": 200, "neutral": 400, "spam": 200}
    assert all(normalize_tweet(text.text) for text in texts)
    assert {text.label for text in held_out_texts(1, random.Random(1))} == set(LABELS)


def test_variants_keep_the_words() -> None:
    rng = random.Random(1)
    texts = [vary("The green door is open.", rng) for _ in range(300)]
    assert len(set(texts)) > 100
    assert all("door" in text.lower() or "doo" in text.lower() or "dor" in text.lower() for text in texts)


def test_the_test_sets_lines() -> None:
    assert Labelled("Hello to the whole world", "neutral") in read_testset(TESTSET)


def test_recipe_in_miniature(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "samples.classifier.recipe", "--work", str(tmp_path)]
    subprocess.run(
        [*command, "--texts", "1000", "--passes", "1", "--sentences", "4"], cwd=ROOT, check=True, timeout=300
    )
    config, tensors = read_checkpoint(tmp_path / "model")
    assert config.labels == LABELS
    assert tensors["linear2.weight"].shape == (4, 64)
    results = json.loads((tmp_path / "evaluation.json").read_text())
    held_out = results["held-out templates"]
    assert 0.25 < held_out["accuracy"] <= 1
    assert sum(sum(row.values()) for row in held_out["confusion"].values()) == held_out["texts"]
