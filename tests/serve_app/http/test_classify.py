"""``/v1/classify``: answers in the shape of the question, and what cannot be asked."""

import asyncio
import json
import threading
from typing import Any

import pytest

from deployments import errors
from deployments.text_classification.types import ClassificationRequest, TextScores
from tests.serve_app.http.asgi_call import AsgiCall
from tests.serve_app.http.stub import (
    CLASSIFY,
    MODERATIONS,
    PATH,
    StubGateway,
    app_of,
    ask,
    client_of,
    message,
    post,
)

ROUTES = pytest.mark.parametrize("path", [CLASSIFY, MODERATIONS])
HATE = {"hate": 0.85, "abusing": 0.05, "neutral": 0.05, "spam": 0.05}


@pytest.mark.parametrize("name", ["input", "prompt", "text"])
async def test_one_text(name: str) -> None:
    """The flat object of the hate-speech service, whatever the text is called."""
    text = ' They hate "us"\n🙂 \u2028ü '
    response = await ask(StubGateway(), {name: text})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {"text": text, **HATE, "label": "hate", "truncated": False}
    assert list(response.json()) == ["text", "hate", "abusing", "neutral", "spam", "label", "truncated"]


async def test_a_list_of_texts_in_their_order() -> None:
    texts = ["spam " * 300, "hate", "hate", "nothing"]
    found = (await ask(StubGateway(), {"input": texts})).json()
    assert [(one["text"], one["label"]) for one in found] == list(
        zip(texts, ["spam", "hate", "hate", "neutral"], strict=True)
    )
    assert [one["truncated"] for one in found] == [True, False, False, False]
    (only,) = (await ask(StubGateway(), {"prompt": ["hate"]})).json()
    assert only["label"] == "hate"


async def test_ten_thousand_texts() -> None:
    texts = [f"text {number}" for number in range(10_000)]
    gateway = StubGateway()
    threads: set[threading.Thread] = set()

    class Watched(TextScores):
        @property
        def label(self) -> str:
            threads.add(threading.current_thread())
            return "x"

    gateway.scores = lambda text: Watched({"x": 1.0}, 1)
    found = (await ask(gateway, {"input": texts})).json()
    assert [one["text"] for one in found] == texts
    assert threading.main_thread() not in threads


@pytest.mark.parametrize(
    ("sent", "asked"),
    [
        *((name, name) for name in ("guard", "org/classifier", "omni-moderation-latest", "acme/classify-1")),
        (None, None),
        ("", None),
    ],
)
@ROUTES
async def test_models_by_their_names(path: str, sent: str | None, asked: str | None) -> None:
    gateway = StubGateway()
    assert (await ask(gateway, {"input": "a", "model": sent}, path)).status_code == 200
    (question,) = gateway.questions
    assert (question.texts, question.model) == (("a",), asked)


@ROUTES
async def test_request_ids(path: str) -> None:
    gateway = StubGateway()
    async with client_of(app_of(gateway)) as client:
        named = await client.post(path, json={"input": "a"}, headers={"x-request-id": "r-1"})
        other = await client.post(path, json={"input": "a"})
    assert named.headers["x-request-id"] == "r-1"
    assert [question.request_id for question in gateway.questions] == ["r-1", other.headers["x-request-id"]]
    assert (await ask(StubGateway(), b"{", path)).headers["x-request-id"]


@ROUTES
@pytest.mark.parametrize(
    ("body", "param", "sentence"),
    [
        ({"input": ""}, "input", "`input` is empty"),
        ({"input": " \t\n\u2003"}, "input", "`input` is blank"),
        ({"input": []}, "input", "`input` is an empty list; send at least one text."),
        ({"input": ["a", "b", ""]}, "input", "Text 3 of `input` is empty; leave it out."),
        ({"input": ["a", " "]}, "input", "Text 2 of `input` is blank; leave it out."),
        ({"model": "guard"}, "input", "`input` is missing; it has to be text or a list of texts"),
        ({"input": None}, "input", "`input` has to be a text or a list of texts, not null."),
        ({"input": 3}, "input", "`input` has to be a text or a list of texts, not the number 3."),
        ({"input": False}, "input", "`input` has to be a text or a list of texts, not false."),
        ({"input": {"text": "a"}}, "input", "`input` has to be a text or a list of texts, not an object."),
        ({"input": ["a", 3.5]}, "input", "Text 2 of `input` has to be a text, not the number 3.5."),
        ({"input": [None]}, "input", "Text 1 of `input` has to be a text, not null."),
        ({"input": [["a"]]}, "input", "Text 1 of `input` has to be a text, not a list."),
        ({"input": "a\0b"}, "input", "`input` holds a NUL character (U+0000); remove it."),
        ({"input": ["a", "\ud800"]}, "input", "Text 2 of `input` holds half of a surrogate pair at character 1;"),
        ({"input": "a", "model": 3}, "model", "`model` has to be text of at most 256 characters."),
        ({"input": "a", "model": ["guard"]}, "model", "`model` has to be text of at most 256 characters."),
        ({"input": "a", "model": "m" * 257}, "model", "`model` has to be text of at most 256 characters."),
        ({"input": "a", "model": "sample-asr"}, "model", "The model 'sample-asr' does transcription, not class"),
        ({"input": "a", "model": "whisper-1"}, "model", "The model 'whisper-1' does transcription, not class"),
    ],
)  # fmt: skip
async def test_questions_that_cannot_be_answered(path: str, body: Any, param: str, sentence: str) -> None:
    gateway = StubGateway()
    response = await ask(gateway, body, path)
    assert response.status_code == 400
    assert message(response).startswith(sentence)
    assert response.json()["error"]["param"] == param
    assert response.headers["x-should-retry"] == "false"
    assert gateway.active == 0


async def test_names_of_the_text_in_refusals() -> None:
    response = await ask(StubGateway(), {"prompt": ["a", ""]})
    assert (message(response), response.json()["error"]["param"]) == (
        "Text 2 of `prompt` is empty; leave it out.",
        "prompt",
    )
    both = await ask(StubGateway(), {"text": "a", "prompt": "a"})
    assert (both.status_code, message(both)) == (
        400,
        "`prompt` and `text` mean the same; send only one of them.",
    )
    assert (await ask(StubGateway(), {"input": None, "text": "hate"})).json()["label"] == "hate"
    nothing = await ask(StubGateway(), {"prompt": None, "text": None})
    assert message(nothing) == "`prompt` has to be a text or a list of texts, not null."


@ROUTES
@pytest.mark.parametrize(
    "model", ["gpt-9", "sample-Classifier", "../guard", "guard\0", "\ud800", "acme/on-demand"]
)
async def test_unknown_models(path: str, model: str) -> None:
    response = await ask(StubGateway(), {"input": "a", "model": model}, path)
    assert (response.status_code, response.json()["error"]["code"]) == (404, "model_not_found")
    assert message(response).endswith(
        "is not served here. Models for classification: any-classifier, guard, sample-classifier."
    )


async def test_transcription_by_a_classifier() -> None:
    response = await post(StubGateway(), {"model": "guard"})
    assert (response.status_code, message(response)) == (
        400,
        "The model 'guard' does classification, not transcription.",
    )


@ROUTES
async def test_other_methods(path: str) -> None:
    async with client_of(app_of(StubGateway())) as client:
        for method in ("GET", "PUT", "PATCH", "DELETE"):
            response = await client.request(method, path)
            assert (response.status_code, response.headers["allow"]) == (405, "POST")
            assert response.json()["error"]["code"] == "method_not_allowed"


@ROUTES
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.InvalidRequest("2000 texts are too many.", param="input"), 400),
        (errors.PayloadTooLarge("Text 1 has 1000000 characters.", param="input"), 413),
        (errors.Overloaded("Full.", retry_after_s=2.1), 429),
        (errors.ModelUnavailable("Loading."), 503),
        (errors.DeadlineExceeded("Too late."), 504),
        (ZeroDivisionError("a bug"), 500),
        (asyncio.CancelledError(), 503),
    ],
)
async def test_failures_of_the_model(path: str, error: BaseException, status: int) -> None:
    gateway = StubGateway()
    gateway.hindrances = (error,)
    response = await ask(gateway, {"input": "a" * 1_000_000}, path)
    assert response.status_code == status
    assert "a bug" not in message(response)
    assert ("retry-after" in response.headers) is (status in (429, 503))


async def test_scores_that_json_cannot_hold() -> None:
    gateway = StubGateway()
    gateway.scores = lambda text: TextScores({"hate": float("nan")}, 1)
    for path in (CLASSIFY, MODERATIONS):
        response = await ask(gateway, {"input": "a"}, path)
        assert (response.status_code, response.json()["error"]["code"]) == (500, "internal_error")


async def test_an_answer_of_the_wrong_length_is_our_fault() -> None:
    class Forgetful(StubGateway):
        async def classify(self, request: ClassificationRequest) -> tuple[TextScores, ...]:
            return (await super().classify(request))[1:]

    assert (await ask(Forgetful(), {"input": ["a", "b"]})).status_code == 500


@ROUTES
async def test_a_client_that_leaves_stops_the_work(path: str) -> None:
    gateway = StubGateway()
    gateway.hindrances = (asyncio.Event(),)
    call = AsgiCall(app_of(gateway), path, headers={"content-type": "application/json"}).start()
    call.feed(json.dumps({"input": "a"}).encode())
    while not gateway.active:
        await asyncio.sleep(0)
    call.leave()
    assert await call.finished() == []
    assert (gateway.active, gateway.closed) == (0, 1)


async def test_nobody_without_a_key() -> None:
    gateway = StubGateway()
    async with client_of(app_of(gateway, keys=["the-key"])) as client:
        for path in (CLASSIFY, MODERATIONS, PATH):
            assert (await client.post(path, json={"input": "a"})).status_code == 401
            wrong = await client.post(path, content=b"{", headers={"authorization": "Bearer other"})
            assert wrong.status_code == 401
    assert not gateway.questions
