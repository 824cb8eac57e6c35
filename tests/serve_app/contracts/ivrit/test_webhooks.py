"""The webhooks that ivrit's documentation promises, and those that its code sends."""

import base64
from datetime import datetime
from typing import Any

import pytest

from deployments.errors import FetchFailed, InvalidRequest
from serve_app.contracts import by_name
from serve_app.contracts.contract import JobResult, Notice
from tests.serve_app.contracts.ivrit.client import payload
from tests.serve_app.contracts.support import URL, context_of, items_of, refusal_of
from tests.serve_app.http.stub import SEGMENTS, StubGateway

IVRIT = by_name("ivrit")
BLOB = base64.b64encode(b"RIFF....WAVEfmt ").decode()
HOOK = "https://your-gateway.com/api/webhook"
RECORDING = "unique-recording-id-123"
TEXT = " ".join(segment.text for segment in SEGMENTS)


async def notices(job_input: dict[str, Any], **changes: Any) -> list[Notice]:
    items = await items_of(IVRIT, job_input, context_of(**changes))
    return [item for item in items if isinstance(item, Notice)]


def documented(inside: bool = True, **more: Any) -> dict[str, Any]:
    """The call of the documentation: the client puts what it does not know inside ``transcribe_args``."""
    asked = {"webhook_url": HOOK, "recording_id": RECORDING}
    found = payload(blob=BLOB, language="en", **(asked if inside else {}))
    return {**found, **({} if inside else asked), **more}


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("streaming", [True, False])
async def test_as_documented(inside: bool, streaming: bool) -> None:
    started, completed = await notices(documented(inside, streaming=streaming))
    assert (started.url, started.event, completed.event) == (HOOK, "transcribing", "completed")
    assert started.payload == {"recording_id": RECORDING, "status": "transcribing", "timestamp": None}
    assert list(completed.payload) == ["recording_id", "status", "timestamp", "transcription"]
    assert completed.payload["status"] == "completed"
    found = completed.payload["transcription"]
    assert [segment["text"] for segment in found] == [segment.text for segment in SEGMENTS]
    assert {"start", "end", "text"} <= found[0].keys()


async def test_as_the_code_does() -> None:
    _, completed = await notices(documented(), webhooks={"completion": "text"})
    assert completed.payload == {
        "recording_id": RECORDING,
        "status": "transcribed",
        "timestamp": None,
        "transcription": TEXT,
    }


async def test_timestamps_by_switch() -> None:
    for notice in await notices(documented(), webhooks={"timestamp": True}):
        assert datetime.fromisoformat(notice.payload["timestamp"]).utcoffset() is not None


async def test_started_comes_first_and_completed_after_every_chunk() -> None:
    items = await items_of(IVRIT, documented(), context_of())
    assert [isinstance(item, Notice) for item in items] == [True, False, False, False, True]


async def test_the_result_stays_last() -> None:
    items = await items_of(IVRIT, {"type": "url", "url": URL, "webhook_url": HOOK}, context_of())
    assert isinstance(items[-1], JobResult)
    assert isinstance(items[-2], Notice)
    assert items[-2].payload["recording_id"] is None


async def test_a_list_is_told_as_a_list() -> None:
    _, completed = await notices({**payload(blob=[BLOB, "no!"]), "webhook_url": HOOK})
    good, bad = completed.payload["transcription"]
    assert len(good) == 2
    assert bad.keys() == {"error"}


async def test_failures() -> None:
    error = FetchFailed("example.com answered 404 Not Found.")
    (notice,) = IVRIT.failed(documented(), error, context_of())
    assert (notice.url, notice.event) == (HOOK, "transcription_failed")
    assert notice.payload == {
        "recording_id": RECORDING,
        "status": "transcription_failed",
        "timestamp": None,
        "error": "example.com answered 404 Not Found.",
    }
    assert list(by_name("ivrit-legacy").failed(documented(), error, context_of())) == [notice]
    assert not list(IVRIT.failed(payload(url=URL), error, context_of()))


@pytest.mark.parametrize("broken", [{"transcribe_args": 5}, {"engine": "x"}, {"recording_id": {"a": 1}}])
async def test_inputs_that_are_refused_are_told_too(broken: dict[str, Any]) -> None:
    job_input = {**documented(inside=False), **broken}
    gateway = StubGateway()
    error = InvalidRequest(await refusal_of(IVRIT, job_input, context_of(gateway)))
    (notice,) = IVRIT.failed(job_input, error, context_of())
    assert notice.payload["error"] == error.message
    assert not gateway.requests


@pytest.mark.parametrize(
    "url", ["ftp://a", "file:///a", "a b", 5, [HOOK], "http://a\nb", "https://" + "a" * 3_000]
)
async def test_addresses_that_cannot_be_called(url: Any) -> None:
    job_input = {**payload(url=URL), "webhook_url": url}
    assert "`webhook_url`" in await refusal_of(IVRIT, job_input)
    assert not list(IVRIT.failed(job_input, InvalidRequest("Wrong."), context_of()))


@pytest.mark.parametrize("recording", ["", 17, "a-b", None])
async def test_recordings(recording: Any) -> None:
    started, _ = await notices({**payload(url=URL), "webhook_url": HOOK, "recording_id": recording})
    assert started.payload["recording_id"] == recording


@pytest.mark.parametrize("recording", [True, 1.5, [1], {"a": 1}, "a" * 2_000])
async def test_recordings_that_are_no_ids(recording: Any) -> None:
    job_input = {**payload(url=URL), "webhook_url": HOOK, "recording_id": recording}
    assert "`recording_id`" in await refusal_of(IVRIT, job_input)


async def test_an_option_that_is_wrong_is_not_told_as_a_start() -> None:
    items = IVRIT.run({**payload(url=URL, beam_size=99), "webhook_url": HOOK}, context_of())
    with pytest.raises(InvalidRequest):
        await anext(items)
