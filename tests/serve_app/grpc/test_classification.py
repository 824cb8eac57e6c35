"""Classification by gRPC: the seed's protocol to the byte, and our own."""

import asyncio

import grpc
import pytest
from grpc.aio import Channel

from deployments.errors import Overloaded
from deployments.text_classification.types import TextScores
from serve_app.grpc.protos.classification_pb2 import ClassifyRequest
from serve_app.grpc.protos.classification_pb2_grpc import ClassificationStub
from serve_app.grpc.protos.hate_speech_pb2 import Input, data, output
from serve_app.grpc.protos.hate_speech_pb2_grpc import runsyncStub
from tests.serve_app.grpc.conftest import refusal, trailing
from tests.serve_app.http.stub import LABELS, LONGEST, StubGateway, scores_of


async def test_a_prompt_gets_four_scores(channel: Channel, gateway: StubGateway) -> None:
    answer = await runsyncStub(channel).runsync(data(input=Input(prompt="Hello World, spam")))
    assert answer.status == "COMPLETED"
    assert answer.output.text == "Hello World, spam"
    scores = {label: getattr(answer.output, label) for label in LABELS}
    assert scores == pytest.approx({"abusing": 0.05, "hate": 0.05, "neutral": 0.05, "spam": 0.85})
    assert gateway.questions[0].model is None


async def test_the_bytes_of_any_client_of_the_guide_do(channel: Channel) -> None:
    call = channel.unary_unary("/service.runsync/runsync")
    sent = b"\x0a\x0d\x0a\x0bHello World"
    answer = output.FromString(await call(sent))
    assert answer.output.text == "Hello World"
    assert answer.output.neutral == pytest.approx(0.85)


async def test_a_prompt_that_was_cut_is_said_to_be(channel: Channel, gateway: StubGateway) -> None:
    for truncated in (True, False):
        gateway.scores = lambda text, cut=truncated: TextScores(dict.fromkeys(LABELS, 0.25), 512, cut)
        call = runsyncStub(channel).runsync(data(input=Input(prompt="a")))
        assert (await call).status == "COMPLETED"
        assert dict(await call.trailing_metadata()).get("truncated") == ("true" if truncated else None)


async def test_further_labels_do_no_harm(channel: Channel, gateway: StubGateway) -> None:
    gateway.scores = lambda text: TextScores(dict.fromkeys((*LABELS, "other"), 0.2), 1)
    answer = await runsyncStub(channel).runsync(data(input=Input(prompt="a")))
    assert answer.output.hate == pytest.approx(0.2)


async def test_a_model_without_the_four_labels_cannot_answer(channel: Channel, gateway: StubGateway) -> None:
    gateway.scores = lambda text: TextScores({"hate": 0.5, "neutral": 0.5}, 1)
    error = await refusal(runsyncStub(channel).runsync(data(input=Input(prompt="a"))))
    assert error.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert error.details() == (
        "The classification model of this server has no label abusing, spam. Call "
        "antiphon.v1.Classification/Classify, which answers with the labels of any model."
    )
    assert trailing(error)["error-code"] == "unsuitable_model"


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (data(), "`input.prompt` is empty"),
        (data(input=Input()), "`input.prompt` is empty"),
        (data(input=Input(prompt=" \n")), "`input.prompt` is blank"),
        (data(input=Input(prompt="a\0b")), "`input.prompt` holds a NUL character"),
    ],
)
async def test_a_prompt_has_to_say_something(
    channel: Channel, gateway: StubGateway, sent: data, said: str
) -> None:
    error = await refusal(runsyncStub(channel).runsync(sent))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert str(error.details()).startswith(said)
    assert trailing(error)["error-param"] == "input.prompt"
    assert not gateway.questions


async def test_texts_are_answered_in_their_order(channel: Channel, gateway: StubGateway) -> None:
    texts = ["some hate", "x" * (LONGEST + 1), "Ünïcödé 🫠 spam"]
    answer = await ClassificationStub(channel).Classify(ClassifyRequest(texts=texts, model="guard"))
    assert [result.label for result in answer.results] == ["hate", "neutral", "spam"]
    assert [result.truncated for result in answer.results] == [False, True, False]
    assert [result.tokens for result in answer.results] == [9, LONGEST, 14]
    assert answer.results[0].scores == pytest.approx(dict(scores_of("hate").scores))
    assert answer.model == "guard"
    assert gateway.questions[0].texts == tuple(texts)
    assert gateway.questions[0].model == "guard"


@pytest.mark.parametrize(
    ("name", "answers"),
    [
        ("", "sample-classifier"),
        ("org/classifier", "sample-classifier"),
        ("omni-moderation-latest", "sample-classifier"),
        ("acme/classify-this", "acme/classify-this"),
    ],
)
async def test_the_answer_names_the_model(channel: Channel, name: str, answers: str) -> None:
    answer = await ClassificationStub(channel).Classify(ClassifyRequest(texts=["a"], model=name))
    assert answer.model == answers


@pytest.mark.parametrize(
    ("sent", "code", "said", "param"),
    [
        (ClassifyRequest(), "INVALID_ARGUMENT", "`texts` is an empty list; send at least one text.", "texts"),
        (
            ClassifyRequest(texts=["a", ""]),
            "INVALID_ARGUMENT",
            "Text 2 of `texts` is empty; leave it out.",
            "texts",
        ),
        (
            ClassifyRequest(texts=["a"], model="large"),
            "INVALID_ARGUMENT",
            "The model 'large' does transcription, not classification.",
            "model",
        ),
        (
            ClassifyRequest(texts=["a"], model="нет"),
            "NOT_FOUND",
            "The model 'нет' is not served here. Models for classification: any-classifier, guard, "
            "sample-classifier.",
            "model",
        ),
    ],
)
async def test_mistakes_are_named(
    channel: Channel, gateway: StubGateway, sent: ClassifyRequest, code: str, said: str, param: str
) -> None:
    error = await refusal(ClassificationStub(channel).Classify(sent))
    assert error.code() == grpc.StatusCode[code]
    assert error.details() == said
    assert trailing(error)["error-param"] == param
    assert not gateway.questions


async def test_a_full_queue_says_when_to_come_back(channel: Channel, gateway: StubGateway) -> None:
    gateway.hindrances = [Overloaded("Too much to do.", retry_after_s=2.5)]
    error = await refusal(ClassificationStub(channel).Classify(ClassifyRequest(texts=["a"])))
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert error.details() == "Too much to do."
    told = trailing(error)
    assert (told["retry-after"], told["grpc-retry-pushback-ms"], told["error-code"]) == ("3", "3000", "overloaded")
    assert "error-param" not in told


async def test_who_leaves_stops_the_work(channel: Channel, gateway: StubGateway) -> None:
    gateway.hindrances = [asyncio.Event()]
    call = ClassificationStub(channel).Classify(ClassifyRequest(texts=["a"]))
    async with asyncio.timeout(10):
        while not gateway.active:
            await asyncio.sleep(0)
        call.cancel()
        while gateway.active:
            await asyncio.sleep(0)
    assert gateway.closed == 1


async def test_a_passed_deadline_stops_the_work(channel: Channel, gateway: StubGateway) -> None:
    gateway.hindrances = [asyncio.Event()]
    error = await refusal(ClassificationStub(channel).Classify(ClassifyRequest(texts=["a"]), timeout=0.2))
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    async with asyncio.timeout(10):
        while gateway.active:
            await asyncio.sleep(0)
    assert gateway.closed == 1


async def test_many_calls_at_once_get_their_own_answers(channel: Channel, gateway: StubGateway) -> None:
    here = asyncio.Event()
    gateway.hindrances = [here]
    stub = ClassificationStub(channel)
    calls = [stub.Classify(ClassifyRequest(texts=[LABELS[i % 4]] * (i + 1))) for i in range(64)]
    async with asyncio.timeout(20):
        while gateway.active < 64:
            await asyncio.sleep(0)
        here.set()
        answers = await asyncio.gather(*calls)
    assert [len(answer.results) for answer in answers] == list(range(1, 65))
    assert [answer.results[0].label for answer in answers] == [LABELS[i % 4] for i in range(64)]
