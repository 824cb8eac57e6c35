"""Classification over HTTP by real replicas, alone and on the way of transcriptions."""

import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from openai import BadRequestError, OpenAI

from tests.e2e.conftest import Server
from tests.serving import AUDIO, ROOT, WEB, wait_until

LABELS = ["hate", "abusing", "neutral", "spam"]
TESTSET = [json.loads(line) for line in (ROOT / "samples/classifier/testset.jsonl").read_text().splitlines()]
JSON = {"content-type": "application/json"}
SHORT = AUDIO / "utt09.wav"
LONG = AUDIO / "utt11_long.wav"


def classify(server: Server, texts: Any, **fields: Any) -> httpx.Response:
    body = json.dumps({"input": texts, **fields})  # in ASCII, since httpx could not send every text as UTF-8
    return WEB.post(f"{server.url}/v1/classify", content=body, headers=JSON, timeout=60)


def transcribe(server: Server, **fields: str) -> httpx.Response:
    with LONG.open("rb") as file:
        form = {"model": "moderated", "clip_timestamps": "0,8", **fields}
        answer = WEB.post(f"{server.url}/v1/audio/transcriptions", files={"file": file}, data=form, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer


def test_the_sample_understands_its_testset(server: Server) -> None:
    found = classify(server, [entry["text"] for entry in TESTSET]).json()
    right = [answer["label"] == entry["label"] for answer, entry in zip(found, TESTSET, strict=True)]
    assert sum(right) / len(right) >= 0.95
    assert all(list(answer) == ["text", *LABELS, "label", "truncated"] for answer in found)
    assert [answer["text"] for answer in found] == [entry["text"] for entry in TESTSET]


def test_many_at_once_get_what_each_would_get_alone(server: Server) -> None:
    texts = [f"{entry['text']} {number}" for number, entry in enumerate(TESTSET * 3)]
    alone = [classify(server, text).json() for text in texts[:20]]
    with ThreadPoolExecutor(32) as pool:
        together = list(pool.map(lambda text: classify(server, text).json(), texts))
    for one, other in zip(alone, together, strict=False):
        assert one["text"] == other["text"]
        assert all(one[label] == pytest.approx(other[label], abs=1e-6) for label in LABELS)


def test_no_text_is_lost_when_replicas_die_under_load(server: Server) -> None:
    wait_until(lambda: len(server.replicas("sample-classifier")) == 2)
    answers: Counter[int] = Counter()
    over = threading.Event()

    def ask(client: httpx.Client, number: int) -> None:
        while not over.is_set():
            answers[client.post("/v1/classify", json={"input": f"good morning {number}"}).status_code] += 1

    with httpx.Client(base_url=server.url, timeout=60) as client, ThreadPoolExecutor(8) as pool:
        for number in range(8):
            pool.submit(ask, client, number)
        try:
            wait_until(lambda: answers[200] > 50)
            server.kill(server.replicas("sample-classifier")[0])
            reached = answers[200]
            wait_until(lambda: answers[200] > reached + 100)
            wait_until(lambda: len(server.replicas("sample-classifier")) == 2)
        finally:
            over.set()
    assert set(answers) == {200}


def test_long_texts_are_cut_and_said_to_be(server: Server) -> None:
    short, long = classify(server, ["good morning", "good morning " * 600]).json()
    assert (short["truncated"], long["truncated"]) == (False, True)
    assert long["label"] == "neutral"


@pytest.mark.parametrize(
    ("texts", "status", "says"),
    [
        ("", 400, "`input` is empty"),
        (" \n\t", 400, "`input` is blank"),
        (["good", ""], 400, "Text 2 of `input` is empty"),
        ([], 400, "empty list"),
        ("a\0b", 400, "NUL"),
        ("\ud83d", 400, "surrogate"),
        ("x" * 1_000_000, 413, "1000000 characters"),
        (["hello"] * 10_000, 400, "10000 texts are more than the 2000"),
        (3, 400, "the number 3"),
        (None, 400, "null"),
        ({"text": "hello"}, 400, "an object"),
        ([["hello"]], 400, "a list"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_what_is_wrong_is_said_and_the_replicas_live(server: Server, texts: Any, status: int, says: str) -> None:
    before = set(server.replicas("sample-classifier"))
    answer = classify(server, texts)
    assert answer.status_code == status
    assert says in answer.json()["error"]["message"]
    assert classify(server, "good morning").json()["label"] == "neutral"
    assert before <= set(server.replicas("sample-classifier"))


def test_unknown_models(server: Server) -> None:
    assert classify(server, "hello", model="nobody").status_code == 404
    answer = classify(server, "hello", model="sample-asr")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "model")


def test_moderation_by_the_openai_client(server: Server) -> None:
    with OpenAI(base_url=f"{server.url}/v1", api_key="unused", max_retries=0) as client:
        by_label = {label: [e["text"] for e in TESTSET if e["label"] == label] for label in LABELS}
        found = {label: client.moderations.create(input=texts).results for label, texts in by_label.items()}
        assert sum(result.flagged and result.categories.hate for result in found["hate"]) >= 0.9 * len(
            found["hate"]
        )
        abusing = [result.categories.harassment for result in found["abusing"]]
        assert sum(abusing) >= 0.9 * len(abusing)
        for label in ("neutral", "spam"):
            assert sum(result.flagged for result in found[label]) <= 0.1 * len(found[label])
        single = client.moderations.create(model="omni-moderation-latest", input=by_label["hate"][0])
        assert single.model == "sample-classifier"
        assert single.results[0].category_scores.hate == pytest.approx(
            found["hate"][0].category_scores.hate, abs=1e-6
        )
        with pytest.raises(BadRequestError, match="empty"):
            client.moderations.create(input="")


def test_moderation_reads_texts_to_their_end(server: Server) -> None:
    hate = "The Zorites are vermin, all of them."
    harmless = "Good morning. Please turn the light on. " * 50
    hidden = "\U0001f600".join(hate)
    with OpenAI(base_url=f"{server.url}/v1", api_key="unused", max_retries=0) as client:
        texts = [hate, harmless + hate, hate + harmless, hidden, harmless]
        results = client.moderations.create(input=texts).results
    assert [result.categories.hate for result in results] == [True, True, True, True, False]
    extras = [result.model_extra or {} for result in results]
    assert [extra["truncated"] for extra in extras] == [False] * 5
    assert extras[0]["pieces"] == 1
    assert extras[1]["pieces"] > 1


def test_segments_of_a_moderated_transcription_are_classified(server: Server) -> None:
    body = transcribe(server, response_format="verbose_json").json()
    segments = body["segments"]
    assert len(segments) == 3
    expected = classify(server, [segment["text"].strip() for segment in segments]).json()
    for segment, scores in zip(segments, expected, strict=True):
        assert list(segment["classification"]) == LABELS
        for label in LABELS:
            assert segment["classification"][label] == pytest.approx(scores[label], abs=1e-6)
    plain = transcribe(server, response_format="verbose_json", model="sample-asr").json()
    for segment in segments:
        del segment["classification"]
    assert body == plain, "nothing else changes"


def test_other_formats_of_a_moderated_transcription(server: Server) -> None:
    body = transcribe(server).json()
    assert [sorted(entry) for entry in body["classification"]] == [sorted(["start", "end", *LABELS])] * 3
    plain = transcribe(server, model="sample-asr").json()
    del body["classification"]
    assert body == plain
    for kind in ("srt", "vtt", "text"):
        moderated = transcribe(server, response_format=kind).text
        assert moderated == transcribe(server, response_format=kind, model="sample-asr").text


def test_the_openai_client_reads_moderated_transcriptions(server: Server) -> None:
    with OpenAI(base_url=f"{server.url}/v1", api_key="unused") as client, SHORT.open("rb") as file:
        found = client.audio.transcriptions.create(model="moderated", file=file, response_format="verbose_json")
        assert found.segments is not None
        assert found.segments[0].model_extra["classification"]["neutral"] > 0.5
        file.seek(0)
        deltas = [
            event.model_extra["classification"]
            for event in client.audio.transcriptions.create(model="moderated", file=file, stream=True)
            if event.type == "transcript.text.delta"
        ]
    assert [list(delta) for delta in deltas] == [LABELS]
