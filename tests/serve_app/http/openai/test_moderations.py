"""``/v1/moderations`` byte for byte; ``test_openai_moderations.py`` has the ``openai`` client's view."""

from typing import Any

import pytest

from deployments.text_classification.types import TextScores
from serve_app.config.models import MODERATION_CATEGORIES
from tests.serve_app.http.stub import MODERATIONS, StubGateway, ask, message, scores_of


async def moderate(body: Any, gateway: StubGateway | None = None) -> dict[str, Any]:
    response = await ask(gateway or StubGateway(), body, MODERATIONS)
    assert response.status_code == 200
    found: dict[str, Any] = response.json()
    return found


async def test_the_whole_answer() -> None:
    answer = await moderate({"input": "They hate us"})
    (result,) = answer.pop("results")
    assert answer.pop("id").startswith("modr-")
    assert answer == {"model": "sample-classifier"}
    judged = {"hate": 0.85, "harassment": 0.05}
    assert result == {
        "flagged": True,
        "categories": {name: name == "hate" for name in MODERATION_CATEGORIES},
        "category_scores": {name: judged.get(name, 0.0) for name in MODERATION_CATEGORIES},
        "category_applied_input_types": {
            name: ["text"] if name in judged else [] for name in MODERATION_CATEGORIES
        },
        "labels": {"hate": 0.85, "abusing": 0.05, "neutral": 0.05, "spam": 0.05},
        "truncated": False,
        "pieces": 1,
    }


async def test_long_texts_are_read_in_pieces_and_that_is_said() -> None:
    gateway = StubGateway()
    gateway.scores = lambda text: TextScores(scores_of("hate").scores, 300, False, 12)
    (result,) = (await moderate({"input": "They hate us"}, gateway))["results"]
    assert (result["pieces"], result["truncated"]) == (12, False)
    assert gateway.questions[0].in_pieces


async def test_categories_of_the_configuration() -> None:
    answer = await moderate({"input": ["spam", "hate"], "model": "guard"})
    spam, hate = answer["results"]
    assert answer["model"] == "guard"
    assert (spam["flagged"], spam["category_scores"]["advertising"]) == (False, 0.85)  # below its threshold, 0.9
    assert (hate["flagged"], hate["categories"]["hate/threatening"], hate["categories"]["hate"]) == (
        True,
        True,
        False,
    )
    for part in ("categories", "category_scores", "category_applied_input_types"):
        assert list(spam[part]) == [*MODERATION_CATEGORIES, "advertising"]


async def test_names_and_ids() -> None:
    asked = {"input": "a", "model": "acme/classify-1"}
    assert (await moderate(asked))["model"] == "acme/classify-1"
    assert (await moderate({"input": "a", "model": "org/classifier"}))["model"] == "sample-classifier"
    assert (await moderate(asked))["id"] != (await moderate(asked))["id"]


async def test_parts_are_one_text() -> None:
    gateway = StubGateway()
    parts = [{"type": "text", "text": "first"}, {"type": "text", "text": " hate ", "x": 1}]
    answer = await moderate({"input": parts}, gateway)
    (question,) = gateway.questions
    assert question.texts == ("first\n hate ",)
    assert [result["flagged"] for result in answer["results"]] == [True]


IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ([{"type": "text", "text": "a"}, IMAGE], "Part 2 of `input` is an image; only text is judged here."),
        ([{"type": "text"}], "Part 1 of `input` has to be an object such as"),
        ([{"type": "text", "text": 3}], "Part 1 of `input` has to be an object such as"),
        ([{"type": "input_audio"}], "Part 1 of `input` has to be an object such as"),
        ([{"text": "a"}], "Part 1 of `input` has to be an object such as"),
        ([{}], "Part 1 of `input` has to be an object such as"),
        ([{"type": "text", "text": "a"}, None], "Part 2 of `input` has to be an object such as"),
        ([{"type": "text", "text": "a"}, "b"], "`input` mixes texts and parts; send either."),
        (["b", {"type": "text", "text": "a"}], "`input` mixes texts and parts; send either."),
        ([{"type": "text", "text": ""}], "`input` is empty"),
        ([{"type": "text", "text": " "}, {"type": "text", "text": ""}], "`input` is blank"),
        ([{"type": "text", "text": "\ud800"}], "`input` holds half of a surrogate pair at character 1;"),
    ],
)
async def test_parts_that_cannot_be_judged(parts: Any, sentence: str) -> None:
    gateway = StubGateway()
    response = await ask(gateway, {"input": parts}, MODERATIONS)
    assert (response.status_code, response.json()["error"]["param"]) == (400, "input")
    assert message(response).startswith(sentence)
    assert not gateway.questions


async def test_other_names_of_the_text_are_those_of_classify_only() -> None:
    response = await ask(StubGateway(), {"prompt": "a"}, MODERATIONS)
    assert message(response).startswith("`input` is missing")
    named = await ask(StubGateway(), {"input": "a", "prompt": "b"}, MODERATIONS)
    assert (named.status_code, named.headers["x-ignored-fields"]) == (200, "prompt")


async def test_a_model_that_judges_nothing_is_no_moderator() -> None:
    gateway = StubGateway()
    gateway.scores = lambda text: TextScores({"positive": 0.9, "negative": 0.1}, 1)
    response = await ask(gateway, {"input": "a"}, MODERATIONS)
    assert (response.status_code, response.json()["error"]["param"]) == (400, "model")
    assert "its labels are positive, negative" in message(response)


async def test_a_model_without_a_configured_label_is_our_fault() -> None:
    gateway = StubGateway()
    gateway.scores = lambda text: TextScores({"hate": 0.9}, 1)
    response = await ask(gateway, {"input": "a", "model": "guard"}, MODERATIONS)
    assert (response.status_code, response.json()["error"]["code"]) == (500, "internal_error")
    assert "'spam'" in message(response)
