"""Scores by label as verdicts by category."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.errors import InternalError, InvalidRequest
from serve_app.config.models import MODERATION_CATEGORIES, ModerationConfig
from serve_app.tasks.classification.answers import Moderator, by_name

HATE_SPEECH = ("hate", "abusing", "neutral", "spam")


def moderator(*labels: str, **config: Any) -> Moderator:
    return Moderator(ModerationConfig(**config), labels)


def test_labels_of_the_hate_speech_model() -> None:
    judge = moderator(*HATE_SPEECH)
    verdict = judge.verdict({"hate": 0.7, "abusing": 0.2, "neutral": 0.06, "spam": 0.04})
    assert judge.judged == {"hate", "harassment"}
    assert tuple(verdict.scores) == MODERATION_CATEGORIES
    assert {name: score for name, score in verdict.scores.items() if score} == {"hate": 0.7, "harassment": 0.2}
    assert verdict.flagged == {"hate"}


@pytest.mark.parametrize(
    ("label", "category"),
    [
        ("hate", "hate"),
        ("HATE", "hate"),
        (" Self_Harm ", "self-harm"),
        ("self harm", "self-harm"),
        ("self-harm/intent", "self-harm/intent"),
        ("self_harm_intent", "self-harm/intent"),
        ("Hate/Threatening", "hate/threatening"),
        ("hate_threatening", "hate/threatening"),
        ("Abusing", "harassment"),
        ("abuse", None),
        ("hateful", None),
        ("LABEL_0", None),
        ("", None),
    ],
)
def test_labels_that_are_called_like_a_category(label: str, category: str | None) -> None:
    assert by_name([label]) == ({} if category is None else {label: category})


def test_every_category_is_found_by_its_own_name_in_every_spelling() -> None:
    for name in MODERATION_CATEGORIES:
        for label in (name, name.upper(), name.replace("-", "_").replace("/", "_"), name.replace("-", " ")):
            assert by_name([label]) == {label: name}


def test_configured_categories_replace_the_names() -> None:
    judge = moderator(*HATE_SPEECH, categories={"hate": "violence", "spam": "advertising"})
    verdict = judge.verdict({"hate": 0.1, "abusing": 0.9, "neutral": 0.0, "spam": 0.5})
    assert judge.judged == {"violence", "advertising"}
    assert tuple(verdict.scores) == (*MODERATION_CATEGORIES, "advertising")
    assert (verdict.scores["hate"], verdict.scores["harassment"]) == (0.0, 0.0)
    assert (verdict.scores["violence"], verdict.scores["advertising"]) == (0.1, 0.5)
    assert verdict.flagged == {"advertising"}


def test_configured_labels_are_taken_to_the_letter() -> None:
    with pytest.raises(InternalError, match="'Hate'"):
        moderator(*HATE_SPEECH, categories={"Hate": "hate"})


def test_the_highest_of_several_labels_counts() -> None:
    judge = moderator("insult", "threat", "hate", categories={"insult": "harassment", "threat": "harassment"})
    for scores in ({"insult": 0.2, "threat": 0.8}, {"insult": 0.8, "threat": 0.2}):
        assert judge.verdict(scores | {"hate": 0.9}).scores["harassment"] == 0.8
    judge = moderator("harassment", "abusing")
    assert judge.verdict({"harassment": 0.4, "abusing": 0.6}).scores["harassment"] == 0.6


def test_thresholds_are_reached_by_their_own_value() -> None:
    judge = moderator("hate", "sexual", threshold=0.25, thresholds={"hate": 0.75})
    for hate, sexual, flagged in (
        (0.75, 0.25, {"hate", "sexual"}),
        (0.7499, 0.2499, set()),
        (0.5, 0.5, {"sexual"}),
    ):
        assert judge.verdict({"hate": hate, "sexual": sexual}).flagged == flagged


def test_what_is_not_judged_is_never_flagged() -> None:
    """A threshold of 0 is reached by every score, but a category without a label has none."""
    verdict = moderator("hate", threshold=0, thresholds={"violence": 0}).verdict({"hate": 0.0})
    assert verdict.flagged == {"hate"}


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf, None])
def test_scores_that_are_none(score: float | None) -> None:
    scores = {"neutral": 0.5} if score is None else {"hate": score, "neutral": 0.5}
    with pytest.raises(InternalError, match="no score for its label 'hate'"):
        moderator("hate", "neutral").verdict(scores)


def test_a_model_that_judges_nothing_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"its labels are positive, negative\. Name another") as caught:
        moderator("positive", "negative")
    assert caught.value.param == "model"
    with pytest.raises(InvalidRequest) as caught:
        moderator(*(f"LABEL_{number}" for number in range(10_000)))
    assert len(caught.value.message) < 600


@given(st.dictionaries(st.sampled_from(HATE_SPEECH), st.floats(0, 1), min_size=4), st.floats(0, 1))
def test_a_verdict_has_every_category_within_range(scores: dict[str, float], threshold: float) -> None:
    judge = moderator(*HATE_SPEECH, threshold=threshold)
    verdict = judge.verdict(scores)
    assert set(verdict.scores) == set(MODERATION_CATEGORIES)
    assert all(0 <= score <= 1 for score in verdict.scores.values())
    assert verdict.flagged == {name for name in judge.judged if verdict.scores[name] >= threshold}
