"""The five formats of a transcript, as an ordinary HTTP client gets them."""

import pytest

from deployments.whisper.types import Started
from tests.serve_app.http.stub import (
    FINISHED,
    PATH,
    SEGMENTS,
    TEXT,
    WAV,
    StubGateway,
    app_of,
    client_of,
    post,
    segment,
)

TRANSLATIONS = "/v1/audio/translations"


async def test_json_is_the_default() -> None:
    response = await post(StubGateway())
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {
        "text": TEXT,
        "languages": [{"code": "en"}],
        "usage": {"type": "duration", "seconds": 6},
    }


async def test_text_ends_with_a_newline() -> None:
    response = await post(StubGateway(), {"response_format": "text"})
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.text == TEXT + "\n"


async def test_srt() -> None:
    response = await post(StubGateway(), {"response_format": "srt"})
    assert response.headers["content-type"] == "application/x-subrip; charset=utf-8"
    assert response.text == (
        "1\n00:00:00,000 --> 00:00:02,500\nThe birch canoe slid on the smooth planks.\n\n"
        "2\n00:00:02,500 --> 00:00:05,040\nGlue the sheet to the dark blue background.\n"
    )


async def test_vtt() -> None:
    response = await post(StubGateway(), {"response_format": "vtt"})
    assert response.headers["content-type"] == "text/vtt; charset=utf-8"
    assert response.text == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:02.500\nThe birch canoe slid on the smooth planks.\n\n"
        "00:00:02.500 --> 00:00:05.040\nGlue the sheet to the dark blue background.\n"
    )


async def test_verbose_json_lists_segments() -> None:
    body = (await post(StubGateway(), {"response_format": "verbose_json"})).json()
    assert body.keys() == {"task", "language", "duration", "text", "segments", "languages", "usage"}
    assert (body["task"], body["language"], body["duration"], body["text"]) == (
        "transcribe",
        "english",
        5.2,
        TEXT,
    )
    assert [s["id"] for s in body["segments"]] == [0, 1]
    assert body["segments"][0] == {
        "id": 0,
        "seek": 0,
        "start": 0.0,
        "end": 2.5,
        "text": SEGMENTS[0].text,
        "tokens": list(SEGMENTS[0].tokens),
        "temperature": 0.0,
        "avg_logprob": -0.25,
        "compression_ratio": 1.25,
        "no_speech_prob": 0.01,
    }


@pytest.mark.parametrize(
    ("fields", "lists"),
    [
        ({"timestamp_granularities[]": "segment"}, {"segments"}),
        ({"timestamp_granularities[]": "word"}, {"words"}),
        ({"timestamp_granularities[]": ["word", "segment"]}, {"words", "segments"}),
        ({"timestamp_granularities": "word,segment"}, {"words", "segments"}),
        ({"timestamp_granularities": '["word"]'}, {"words"}),
        ({"word_timestamps": "true"}, {"words", "segments"}),
        ({"word_timestamps": "false"}, {"segments"}),
    ],
)
async def test_granularities(fields: dict[str, str], lists: set[str]) -> None:
    gateway = StubGateway()
    body = (await post(gateway, {"response_format": "verbose_json", **fields})).json()
    assert body.keys() & {"words", "segments"} == lists
    assert gateway.request.decoding.word_timestamps is ("words" in lists)
    if "words" in lists:
        assert body["words"][1] == {"word": "birch", "start": 0.312, "end": 0.625}


async def test_logprobs_on_demand() -> None:
    gateway = StubGateway()
    body = (await post(gateway, {"include[]": "logprobs"})).json()
    assert gateway.request.decoding.token_logprobs is True
    assert body["logprobs"][0] == {"token": " The", "logprob": -0.5, "bytes": [32, 84, 104, 101]}
    assert len(body["logprobs"]) == len(TEXT.split())


async def test_translations_are_english_and_take_a_source_language() -> None:
    gateway = StubGateway((Started("de", 1.0, 3.0), segment(0, " Good day", 0, 1, language="de"), FINISHED))
    fields = {"response_format": "verbose_json", "language": "German"}
    body = (await post(gateway, fields, path=TRANSLATIONS)).json()
    assert gateway.request.task == "translate"
    assert gateway.request.language == "de"
    assert (body["task"], body["language"], body["languages"]) == ("translate", "english", [{"code": "de"}])


async def test_silence_has_no_languages() -> None:
    gateway = StubGateway((Started("en", 0.3, 3.0), FINISHED))
    assert (await post(gateway)).json()["languages"] == []
    assert (await post(StubGateway(gateway.script), {"response_format": "srt"})).text == ""
    assert (await post(StubGateway(gateway.script), {"response_format": "vtt"})).text == "WEBVTT\n"


async def test_numbers_that_json_does_not_have() -> None:
    odd = segment(0, " Hm", 0, 1, avg_logprob=float("-inf"), compression_ratio=float("nan"))
    gateway = StubGateway((odd, FINISHED))
    body = (await post(gateway, {"response_format": "verbose_json"})).json()
    assert (body["segments"][0]["avg_logprob"], body["segments"][0]["compression_ratio"]) == (-1e9, 0.0)


async def test_ignored_fields_are_named() -> None:
    response = await post(StubGateway(), {"user": "me", "temprature": "0", "näme,x": "1", "temperature": "0"})
    assert response.status_code == 200
    assert response.headers["x-ignored-fields"] == "user, temprature, n%C3%A4me%2Cx"


async def test_no_header_without_ignored_fields() -> None:
    assert "x-ignored-fields" not in (await post(StubGateway())).headers


async def test_a_url_instead_of_a_file() -> None:
    gateway = StubGateway()
    async with client_of(app_of(gateway)) as client:
        response = await client.post(PATH, data={"url": "https://example.com/a.ogg"})  # urlencoded
        assert response.status_code == 200
        response = await client.post(PATH, files={"url": (None, "https://example.com/a.ogg")})
        assert response.status_code == 200
    assert [r.url for r in gateway.requests] == ["https://example.com/a.ogg"] * 2
    assert gateway.uploads == [None, None]


async def test_request_ids_are_honoured_made_and_cleaned() -> None:
    gateway = StubGateway()
    async with client_of(app_of(gateway)) as client:
        sent = await client.post(PATH, files={"file": WAV}, headers={"x-request-id": "abc-1"})
        made = await client.post(PATH, files={"file": WAV})
        dirty = await client.get("/healthz", headers={"x-request-id": "a b\tc\"'<" + "x" * 500})
    assert sent.headers["x-request-id"] == "abc-1"
    assert [r.request_id for r in gateway.requests] == ["abc-1", made.headers["x-request-id"]]
    assert len(made.headers["x-request-id"]) == 32
    assert dirty.headers["x-request-id"] == ("abc" + "x" * 500)[:128]


async def test_every_answer_closes_the_work() -> None:
    gateway = StubGateway()
    await post(gateway)
    assert gateway.closed == 1


async def test_scores_of_a_classifier() -> None:
    scores = {"hate": 0.25, "neutral": 0.75}
    script = (segment(0, "a", 0, 1, classification=scores), segment(1, " ", 1, 2), FINISHED)
    body = (await post(StubGateway(script))).json()
    assert body["classification"] == [{"start": 0.0, "end": 1.0, **scores}]
    verbose = (await post(StubGateway(script), {"response_format": "verbose_json"})).json()
    assert [s.get("classification") for s in verbose["segments"]] == [scores, None]
