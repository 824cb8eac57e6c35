"""Moderation by the ``openai`` package, synchronous and asynchronous, over a real connection."""

import asyncio
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from deployments import errors
from serve_app.config.models import MODERATION_CATEGORIES
from tests.serve_app.http.conftest import KEY, Server
from tests.serve_app.http.stub import scores_of


def test_a_text(client: OpenAI, server: Server) -> None:
    answer = client.moderations.create(input="They hate us")
    (result,) = answer.results
    assert answer.id.startswith("modr-")
    assert (answer.model, result.flagged) == ("sample-classifier", True)
    assert (result.categories.hate, result.categories.harassment) == (True, False)
    assert (result.category_scores.hate, result.category_scores.harassment) == (0.85, 0.05)
    assert (result.category_scores.hate_threatening, result.categories.self_harm_intent) == (0.0, False)
    assert result.category_applied_input_types.hate == ["text"]
    assert result.category_applied_input_types.sexual_minors == []
    assert set(result.category_scores.to_dict()) == set(MODERATION_CATEGORIES)
    assert result.model_extra == {"labels": scores_of("hate").scores, "truncated": False, "pieces": 1}
    (question,) = server.gateway.questions
    assert (question.texts, question.model) == (("They hate us",), None)


@pytest.mark.parametrize(
    "model",
    ["omni-moderation-latest", "omni-moderation-2024-09-26", "text-moderation-latest", "text-moderation-stable"],
)
def test_names_of_hosted_models(client: OpenAI, model: str) -> None:
    assert client.moderations.create(input="a", model=model).model == "sample-classifier"


def test_a_list(client: OpenAI) -> None:
    answer = client.moderations.create(input=["hate", "nothing", "abusing"], model="sample-classifier")
    assert [result.flagged for result in answer.results] == [True, False, True]
    assert [result.categories.harassment for result in answer.results] == [False, False, True]


def test_content_parts(client: OpenAI, server: Server) -> None:
    parts: Any = [{"type": "text", "text": "some"}, {"type": "text", "text": "hate"}]
    (result,) = client.moderations.create(input=parts).results
    assert result.flagged
    assert server.gateway.questions[0].texts == ("some\nhate",)


def test_images_are_refused(client: OpenAI) -> None:
    parts: Any = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
    with pytest.raises(openai.BadRequestError, match="only text is judged here") as caught:
        client.moderations.create(input=parts)
    assert caught.value.param == "input"


def test_categories_that_the_client_does_not_know(client: OpenAI) -> None:
    (result,) = client.moderations.create(input="spam", model="guard").results
    assert result.category_scores.to_dict()["advertising"] == 0.85
    assert result.categories.to_dict()["advertising"] is False


async def test_many_at_once(async_client: AsyncOpenAI, server: Server) -> None:
    server.gateway.hindrances = (0.3,)
    texts = ["hate", "nothing"] * 4
    answers = await asyncio.gather(*[async_client.moderations.create(input=text) for text in texts])
    assert [answer.results[0].flagged for answer in answers] == [True, False] * 4
    assert server.gateway.most_active > 4


async def test_a_client_that_gives_up(async_client: AsyncOpenAI, server: Server) -> None:
    """The work stops when the connection closes."""
    server.gateway.hindrances = (60.0,)
    with pytest.raises(openai.APITimeoutError):
        await async_client.moderations.create(input="a", timeout=0.3)
    async with asyncio.timeout(5):
        while not server.gateway.closed:
            await asyncio.sleep(0.01)
    assert server.gateway.active == 0


def test_a_megabyte_and_two_thousand_texts(client: OpenAI) -> None:
    (result,) = client.moderations.create(input="x" * 1_000_000).results
    assert result.model_extra is not None
    assert result.model_extra["truncated"] is True
    answer = client.moderations.create(input=["hate"] * 2_000)
    assert [result.flagged for result in answer.results] == [True] * 2_000


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"input": ""}, openai.BadRequestError),
        ({"input": []}, openai.BadRequestError),
        ({"input": ["a", ""]}, openai.BadRequestError),
        ({"input": "a\0"}, openai.BadRequestError),
        ({"input": "a", "model": "whisper-1"}, openai.BadRequestError),
        ({"input": "a", "model": "gpt-9"}, openai.NotFoundError),
    ],
)
def test_refusals(client: OpenAI, server: Server, arguments: Any, kind: type[openai.APIStatusError]) -> None:
    with pytest.raises(kind) as caught:
        client.moderations.create(**arguments)
    assert caught.value.param in ("input", "model")
    assert caught.value.request_id
    assert server.gateway.active == 0


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.PayloadTooLarge("Text 1 is too long.", param="input"), openai.APIStatusError),
        (errors.Overloaded("Full.", retry_after_s=3), openai.RateLimitError),
        (errors.ModelUnavailable("Loading."), openai.InternalServerError),
        (errors.DeadlineExceeded("Too late."), openai.InternalServerError),
        (errors.InternalError("Our fault."), openai.InternalServerError),
        (RuntimeError("a bug"), openai.InternalServerError),
    ],
)
def test_failures(client: OpenAI, server: Server, error: Exception, kind: type[openai.APIStatusError]) -> None:
    server.gateway.hindrances = (error,)
    with pytest.raises(kind) as caught:
        client.moderations.create(input="a")
    if isinstance(error, errors.AntiphonError):
        assert (caught.value.status_code, caught.value.code) == (error.status, error.code)
    assert "a bug" not in str(caught.value)
    assert caught.value.request_id == server.gateway.questions[0].request_id


def test_retries(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        server.gateway.hindrances = ()

    monkeypatch.setattr("openai._base_client.time.sleep", wait)
    server.gateway.hindrances = (errors.Overloaded("Full.", retry_after_s=6.5),)
    with OpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=2) as client:
        assert client.moderations.create(input="hate").results[0].flagged
    assert waits == [7.0]


@pytest.mark.parametrize(
    ("headers", "sentence"),
    [
        ({"Authorization": openai.Omit()}, "This server wants an API key"),
        ({"Authorization": "Bearer wrong"}, "The API key is not one that this server knows."),
    ],
)
def test_keys(client: OpenAI, server: Server, headers: Any, sentence: str) -> None:
    with pytest.raises(openai.AuthenticationError, match=sentence) as caught:
        client.moderations.create(input="a", extra_headers=headers)
    assert caught.value.code == "invalid_api_key"
    assert not server.gateway.questions


def test_bodies_that_are_too_large(client: OpenAI, server: Server) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        client.moderations.create(input="x" * 4_000_000)
    assert (caught.value.status_code, caught.value.code) == (413, "payload_too_large")
    assert not server.gateway.questions
