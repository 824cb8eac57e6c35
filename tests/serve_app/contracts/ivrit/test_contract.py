"""What the ivrit worker's clients are sent, by version."""

import asyncio
import base64
import dataclasses
from typing import Any

import ivrit
import numpy as np
import pytest

from deployments.whisper.types import Progress as AudioProgress
from serve_app.contracts import by_name
from serve_app.contracts.contract import Chunk, JobProgress, JobResult, Notice
from tests.serve_app.contracts.ivrit.client import MODEL, decoded, payload
from tests.serve_app.contracts.support import URL, chunks_of, context_of, items_of, output_of
from tests.serve_app.http.stub import CALL, CALL_SEGMENTS, FINISHED, SEGMENTS, StubGateway

IVRIT, LEGACY = by_name("ivrit"), by_name("ivrit-legacy")
BYTES = b"RIFF....WAVEfmt "
BLOB = base64.b64encode(BYTES).decode()


async def test_a_stream_as_the_newest_client_reads_it() -> None:
    gateway = StubGateway()
    items = await chunks_of(IVRIT, payload(url=URL, language="en"), context_of(gateway, deadline=123.0))
    assert [[entry["type"] for entry in item.value] for item in items] == [
        ["segments"],
        ["progress"],
        ["segments"],
    ]
    assert [(item.start, item.end, item.lane) for item in items] == [(0.0, 2.5, 0), (2.5, 2.5, 0), (2.5, 5.04, 0)]
    assert items[1].value[0]["data"] == {
        "phase": "transcription",
        "step": "decode",
        "step_fraction": 0.4808,
        "description": "Transcribed 2.5 s of 5.2 s",
        "extra": {"processed_seconds": 2.5, "total_seconds": 5.2},
    }
    segments = decoded([item.value for item in items])
    assert [segment.text for segment in segments] == [segment.text for segment in SEGMENTS]
    assert segments[0].speakers == []
    assert segments[0].words[0] == ivrit.types.Word(" The", 0.0, 0.312, 0.9, None)
    assert segments[0].extra_data["language"] == "en"
    request = gateway.request
    assert (request.url, request.model, request.language, request.deadline) == (URL, MODEL, "en", 123.0)
    assert (request.request_id, request.decoding.word_timestamps) == ("job-1", True)


async def test_channels_have_lanes_of_their_own() -> None:
    """They overlap: what is stored of one says nothing of the other."""
    gateway = StubGateway(CALL)
    items = await chunks_of(IVRIT, payload(url=URL, channels="split"), context_of(gateway))
    assert gateway.request.channels == "split"
    spoken = [item for item in items if item.value[0]["type"] == "segments"]
    assert [item.value[0]["data"][0]["extra_data"]["channel"] for item in spoken] == [0, 1, 1, 0]
    lanes = [item.lane for item in items]
    assert len({*lanes}) == 3  # those of two channels and of the progress
    assert lanes[1] == lanes[2]
    assert [segment.text for segment in decoded([item.value for item in items])] == [
        segment.text for segment in CALL_SEGMENTS
    ]


async def test_exactly_the_keys_of_a_segment() -> None:
    (entries, *_) = await output_of(payload(url=URL))
    assert entries[0].keys() == {"type", "data"}
    (segment,) = entries[0]["data"]
    assert list(segment) == ["text", "start", "end", "speakers", "words", "extra_data"]
    assert list(segment["words"][0]) == ["word", "start", "end", "probability", "speaker"]
    extra = {
        "id",
        "seek",
        "tokens",
        "avg_logprob",
        "compression_ratio",
        "no_speech_prob",
        "temperature",
        "language",
    }
    assert segment["extra_data"].keys() == extra


async def test_chunks_lie_where_they_are_heard_also_if_times_go_back() -> None:
    again = dataclasses.replace(SEGMENTS[0], position=SEGMENTS[0].start + 4)
    items = await chunks_of(IVRIT, payload(url=URL), context_of(StubGateway((again, FINISHED))))
    assert [(item.start, item.end) for item in items] == [(SEGMENTS[0].start + 4, SEGMENTS[0].end + 4)]
    assert items[0].value[0]["data"][0]["start"] == SEGMENTS[0].start


async def test_a_classifiers_scores_are_extra_data() -> None:
    scored = dataclasses.replace(SEGMENTS[0], classification={"hate": 0.25})
    output = await output_of(payload(url=URL), context_of(StubGateway((scored, FINISHED))))
    assert decoded(output)[0].extra_data["classification"] == {"hate": 0.25}


async def test_output_options() -> None:
    gateway = StubGateway()
    wanted = {"word_timestamps": False, "extra_data": False}
    (segment, _) = decoded(await output_of(payload(url=URL, output_options=wanted), context_of(gateway)))
    assert (segment.words, segment.extra_data) == ([], {})
    assert gateway.request.decoding.word_timestamps is False


async def test_bare_segments_for_older_clients() -> None:
    items = await chunks_of(LEGACY, payload(url=URL), context_of())
    assert [[list(segment) for segment in item.value] for item in items] == [
        [["text", "start", "end", "speakers", "words", "extra_data"]]
    ] * 2


async def test_not_streaming() -> None:
    job_input = {**payload(url=URL), "streaming": False}
    items = await items_of(IVRIT, job_input, context_of())
    progress, whole = items
    assert isinstance(progress, JobProgress)
    assert progress.value["extra"] == {"processed_seconds": 2.5, "total_seconds": 5.2}
    assert isinstance(whole, Chunk)
    assert [[segment["text"] for segment in group] for group in whole.value["result"]] == [
        [segment.text] for segment in SEGMENTS
    ]


@pytest.mark.parametrize(
    "job_input", [{"type": "blob", "data": BLOB}, {"type": "url", "url": URL, "api_key": "secret"}, {"url": URL}]
)
async def test_the_worker_before_august_2025(job_input: dict[str, Any]) -> None:
    gateway = StubGateway()
    items = await items_of(IVRIT, job_input, context_of(gateway))
    result = items[-1]
    assert isinstance(result, JobResult)
    segments = result.value["result"]["segments"]
    assert [segment["text"] for segment in segments] == [segment.text for segment in SEGMENTS]
    old = {"id", "seek", "start", "end", "text", "avg_logprob", "compression_ratio", "no_speech_prob", "words"}
    assert old <= segments[0].keys()
    assert gateway.request.model is None


async def test_an_older_input_may_stream_too() -> None:
    output = await output_of({"type": "url", "url": URL, "streaming": True})
    assert len(decoded(output)) == 2


@pytest.mark.parametrize("prefix", ["", "data:audio/wav;base64,", "data:;base64,"])
async def test_bytes_inside_the_input(prefix: str) -> None:
    gateway = StubGateway()
    await output_of(payload(blob=prefix + BLOB), context_of(gateway))
    (upload,) = gateway.uploads
    assert upload is not None
    assert (upload.data.dtype, upload.data.tobytes()) == (np.uint8, BYTES)
    assert gateway.request.url is None
    assert gateway.request.content_type == ("audio/wav" if "wav" in prefix else None)


async def test_many_bytes_with_line_ends() -> None:
    gateway = StubGateway()
    data = bytes(range(256)) * 1_000
    await output_of(payload(blob=base64.encodebytes(data).decode()), context_of(gateway))
    assert gateway.uploads[0] is not None
    assert gateway.uploads[0].data.tobytes() == data


async def test_decoder_options_reach_the_model() -> None:
    gateway = StubGateway()
    options = {
        "beam_size": 2,
        "initial_prompt": "Names: Anna, Bela.",
        "hotwords": "canoe",
        "temperature": 0,
        "vad_filter": False,
        "condition_on_previous_text": True,
        "suppress_tokens": [-1, 7],
        "task": "translate",
        "word_timestamps": False,
        "length_penalty": None,
    }
    await output_of(payload(url=URL, **options), context_of(gateway))
    request, decoding = gateway.request, gateway.request.decoding
    assert (request.task, request.vad) == ("translate", None)
    assert (decoding.beam_size, decoding.hotwords, decoding.temperatures) == (2, "canoe", (0.0,))
    assert decoding.initial_prompt == "Names: Anna, Bela."
    assert (decoding.condition_on_previous_text, decoding.suppress_tokens) == (True, (-1, 7))
    assert decoding.word_timestamps is False
    assert "length_penalty" not in decoding.model_fields_set


async def test_ladders_clips_and_detection() -> None:
    gateway = StubGateway()
    options = {"temperature": [0, 0.4], "clip_timestamps": [{"start": 1, "end": 2.5}], "log_progress": True}
    await output_of(payload(url=URL, **options), context_of(gateway))
    assert gateway.request.decoding.temperatures == (0.0, 0.4)
    assert [(clip.start, clip.end) for clip in gateway.request.clips] == [(1.0, 2.5)]
    await output_of(payload(url=URL, vad_parameters={"threshold": 0.25}), context_of(gateway))
    assert gateway.requests[1].vad is not None
    assert gateway.requests[1].vad.threshold == 0.25


async def test_keys_that_nobody_knows_are_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "ray.serve"):
        job_input = payload(
            url=URL, webhook_url="https://example.com", recording_id="r", beem_size=5, verbose=True
        )
        await output_of(job_input)
    assert [r.getMessage() for r in caplog.records] == [
        "job job-1: transcribe_args has keys that nobody here knows: 'beem_size'"
    ]


async def test_the_endpoints_model_is_for_inputs_without_one() -> None:
    gateway = StubGateway()
    job_input = payload(url=URL)
    await output_of({**job_input, "model": None}, context_of(gateway, model="sample-asr"))
    await output_of(job_input, context_of(gateway, model="sample-asr"))
    assert [request.model for request in gateway.requests] == ["sample-asr", MODEL]


@pytest.mark.parametrize("source", [URL, [URL, URL, URL]])
async def test_closing_stops_the_work(source: Any) -> None:
    gateway = StubGateway((SEGMENTS[0], asyncio.Event()))
    items: Any = IVRIT.run(payload(url=source), context_of(gateway))
    async with asyncio.timeout(5):
        await anext(items)
        assert gateway.active >= 1
        await items.aclose()
    assert gateway.active == 0


async def test_numbers_that_json_does_not_have() -> None:
    odd = dataclasses.replace(SEGMENTS[0], avg_logprob=float("nan"), end=float("inf"))
    gateway = StubGateway((odd, AudioProgress(float("nan"), None), FINISHED))
    first, second = await items_of(IVRIT, payload(url=URL), context_of(gateway))
    assert isinstance(first, Chunk)
    assert isinstance(second, Chunk)
    assert second.value[0]["data"]["extra"] == {"processed_seconds": 0.0, "total_seconds": None}
    assert second.value[0]["data"]["step_fraction"] == 0.0


async def test_no_webhook_no_notice() -> None:
    assert not [item for item in await items_of(IVRIT, payload(url=URL), context_of()) if isinstance(item, Notice)]
