"""The contract of the hate-speech service, and what a daemon's protocol makes of its inputs."""

import asyncio
import json
import time
from typing import Any

import pytest

from deployments.errors import DeadlineExceeded, InternalError, InvalidRequest, ModelNotFound
from deployments.text_classification.types import TextScores
from serve_app.contracts import by_name
from tests.serve_app.contracts.support import context_of, items_of, output_of, refusal_of
from tests.serve_app.http.stub import StubGateway, ask

CONTRACT = by_name("hate-speech")


async def test_the_guides_example() -> None:
    output = await output_of(json.loads('{"input": {"prompt": "Hello World"}}')["input"])
    scores = {"abusing": 0.05, "hate": 0.05, "neutral": 0.85, "spam": 0.05}
    assert output == {**scores, "text": "Hello World", "label": "neutral", "truncated": False}


async def test_the_repositorys_key_and_wrapper() -> None:
    flat = await output_of({"text": "Hello World"})
    assert await output_of({"text": "Hello World", "wrap": True}) == {"outputs": flat}


@pytest.mark.parametrize("text", ["some spam", ["hate", "some spam"]])
async def test_exactly_the_object_of_http(text: Any) -> None:
    response = await ask(StubGateway(), {"prompt": text})
    assert await output_of({"prompt": text}) == response.json()


async def test_a_list_has_a_list() -> None:
    texts = [f"text {number}" for number in range(150)]
    output = await output_of({"prompt": texts})
    assert [one["text"] for one in output] == texts
    assert len(await output_of({"text": ["one"]})) == 1


@pytest.mark.parametrize("empty", [{}, {"prompt": ""}, {"prompt": None}, {"text": []}, {"input": {}}])
async def test_a_daemon_leaves_out_what_is_empty(empty: dict[str, Any]) -> None:
    sentence = await refusal_of(CONTRACT, empty)
    assert sentence.startswith("`prompt` is missing or empty; send a text")


@pytest.mark.parametrize(
    ("wrap", "wrapped"), [("true", True), ("1", True), (1, True), ("false", False), (0, False)]
)
async def test_truths_as_protocols_write_them(wrap: Any, wrapped: bool) -> None:
    assert ("outputs" in await output_of({"prompt": "a", "wrap": wrap})) is wrapped


async def test_both_keys_with_the_same_text() -> None:
    assert (await output_of({"prompt": "a", "text": "a"}))["text"] == "a"
    assert (await output_of({"prompt": "", "text": "a"}))["text"] == "a"


@pytest.mark.parametrize(
    ("job_input", "words"),
    [
        ({"prompt": "a", "text": "b"}, "mean the same"),
        ({"prompt": "  "}, "`prompt` is blank"),
        ({"text": 5}, "`text` has to be a text"),
        ({"text": ["a", ""]}, "Text 2 of `text`"),
        ({"prompt": "\ud800"}, "surrogate"),
        ({"prompt": "a", "wrap": "maybe"}, "`wrap`"),
        ({"prompt": "a", "wrap": [1]}, "`wrap`"),
        ({"prompt": "a", "model": {}}, "`model`"),
    ],
)
async def test_refusals(job_input: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        await items_of(CONTRACT, job_input, context_of())


async def test_models() -> None:
    gateway = StubGateway()
    deadline = time.time() + 60
    await output_of({"prompt": "a"}, context_of(gateway, model="guard", deadline=deadline))
    await output_of({"prompt": "a", "model": "sample-classifier"}, context_of(gateway, model="guard"))
    assert [question.model for question in gateway.questions] == ["guard", "sample-classifier"]
    assert (gateway.questions[0].deadline, gateway.questions[0].request_id) == (deadline, "job-1")
    with pytest.raises(ModelNotFound):
        await output_of({"prompt": "a", "model": "nobody"}, context_of(gateway))


async def test_a_deadline() -> None:
    gateway = StubGateway()
    gateway.hindrances = (asyncio.Event(),)
    with pytest.raises(DeadlineExceeded):
        await output_of({"prompt": "a"}, context_of(gateway, deadline=time.time() + 0.01))
    assert gateway.active == 0


async def test_scores_that_json_does_not_have() -> None:
    gateway = StubGateway()
    gateway.scores = lambda text: TextScores({"hate": float("nan")}, 1)
    with pytest.raises(InternalError):
        await output_of({"prompt": "a"}, context_of(gateway))
