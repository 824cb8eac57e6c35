"""RunPod's own SDK around the graph, against a job source that speaks its protocol."""

import functools
import http.server
import itertools
import json
import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.serve_app.runpod_worker.job_source import JobSource
from tests.serve_app.runpod_worker.jobs import WORDS, blob, ivrit_job, text_of
from tests.serve_app.runpod_worker.running import AUDIO, Worker, wait_for

JOBS = 200


pytestmark = pytest.mark.usefixtures("runpod")


class Site(http.server.SimpleHTTPRequestHandler):
    """Serves recordings and takes webhooks."""

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.webhooks.append((dict(self.headers), json.loads(body)))  # type: ignore[attr-defined]
        self.send_response(204)
        self.end_headers()


@pytest.fixture(scope="module")
def site() -> Iterator[Any]:
    handler = functools.partial(Site, directory=str(AUDIO))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.webhooks = []  # type: ignore[attr-defined]
        server.url = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_hate_speech_guides_job(source: JobSource) -> None:
    output = source.job("hate-1", {"prompt": "Hello World"}).output()
    assert output["text"] == "Hello World"
    assert sum(output[label] for label in ("hate", "abusing", "neutral", "spam")) == pytest.approx(1, abs=1e-4)


def test_ivrits_job_streams_and_its_chunks_are_the_output(source: JobSource) -> None:
    record = source.job("ivrit-1", ivrit_job())
    output, chunks = record.output(), record.of("chunk")
    assert text_of(chunks) == WORDS
    assert output == chunks
    assert record.posts[-1][0] == "done"


def test_the_first_chunk_comes_long_before_the_end(source: JobSource) -> None:
    record = source.job("ivrit-long", ivrit_job("utt12_long.wav"))
    record.final()
    segments = [c for c in record.of("chunk") if c[0]["type"] == "segments"]
    assert len(segments) > 2


def test_faster_whispers_job_tells_its_progress_first(source: JobSource, site: Any) -> None:
    job = {"audio": f"{site.url}/utt10_long.wav", "model": "turbo", "transcription": "plain text"}
    record = source.job("fw-1", job)
    output = record.output()
    assert len(output["transcription"].split()) > 20
    kinds = [kind for kind, _ in record.posts]
    assert kinds[0] == "progress"
    assert kinds[-1] == "done"
    assert "chunk" not in kinds


def test_any_request_of_the_http_api(source: JobSource) -> None:
    job = {"openai_route": "/v1/moderations", "openai_input": {"input": "Hello World"}}
    output = source.job("openai-1", job).output()
    assert output["results"][0]["flagged"] is False
    models = source.job("openai-2", {"openai_route": "/v1/models"}).output()
    assert {model["id"] for model in models["data"]} >= {"sample-asr", "sample-classifier"}


def test_a_streamed_request_of_the_http_api(source: JobSource) -> None:
    body = {"model": "whisper-1", "stream": True, "file": {"name": "a.wav", "data": blob()}}
    record = source.job("openai-3", {"openai_route": "/v1/audio/transcriptions", "openai_input": body})
    record.final()
    assert "transcript.text.done" in "".join(record.of("chunk"))


def test_webhooks_of_a_job(source: JobSource, site: Any) -> None:
    job = ivrit_job(webhook_url=f"{site.url}/hook", recording_id="unique-recording-id-123")
    source.job("hooked", job).output()
    wait_for(lambda: len(site.webhooks) >= 2, seconds=20)
    (_, first), (headers, last) = site.webhooks
    assert (first["status"], last["status"]) == ("transcribing", "completed")
    assert last["recording_id"] == "unique-recording-id-123"
    assert "X-Webhook-Signature" in headers


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        ({"id": "bad-none"}, "`input` has to be a JSON object"),
        ({"id": "bad-null", "input": None}, "`input` has to be a JSON object"),
        ({"id": "bad-text", "input": "Hello World"}, "`input` has to be a JSON object"),
        ({"id": "bad-list", "input": [1, 2]}, "`input` has to be a JSON object"),
        ({"id": "bad-shape", "input": {"colour": "blue"}}, "no shape that is known"),
        ({"id": "bad-field", "input": {"prompt": 5}}, "prompt"),
        ({"id": "bad-key", "input": {"colour": "blue"}, "self": 1, "policy": [], "s3Config": "no"}, "no shape"),
        ({"id": "bad-model", "input": {**ivrit_job(), "model": "other"}}, "'other' is not served here"),
        ({"id": "bad-sound", "input": ivrit_job(blob="bm8gc291bmQ=")}, "audio"),
        ({"id": 17, "input": {"colour": "blue"}}, "no shape"),
        ({"id": "bad-half", "input": {"prompt": "half \ud800"}}, ""),
    ],
    ids=lambda value: str(value["id"]) if isinstance(value, dict) else "",
)
def test_malformed_jobs_are_answered(source: JobSource, job: dict[str, Any], expected: str) -> None:
    (record,) = source.give(job)
    if expected:
        assert expected in record.error()
    else:
        record.final()


def test_what_is_no_job_does_no_harm(source: JobSource) -> None:
    source.give("text", 5, None, {"input": {"prompt": "no id"}}, {"id": "", "input": {}}, {"id": [1], "input": {}})
    source.say(b"{")
    source.say(b"[]")
    source.say(b'"text"')
    source.say(b'{"input": {"prompt": "no id"}}')
    assert "hate" in source.job("after-all", {"prompt": "Hello World"}).output()


def hours(site: Any) -> dict[str, Any]:
    """A job that takes more than a minute."""
    return {**ivrit_job(), "transcribe_args": {"language": "en", "url": [f"{site.url}/utt12_long.wav"] * 200}}


def test_a_stopped_job_is_not_answered_and_its_work_ends(source: JobSource, site: Any) -> None:
    record = source.job("to-stop", hours(site))
    wait_for(lambda: record.of("chunk"), seconds=30)
    source.stop("to-stop")
    wait_for(lambda: "to-stop" not in source.pings[-1], seconds=20)
    posted = len(record.posts)
    looks = itertools.count()

    def idle() -> bool:
        job = source.job(f"look-{next(looks)}", {"openai_route": "/v1/models/sample-asr"})
        return bool(job.output()["state"]["active_requests"] == 0)

    wait_for(idle, seconds=20)
    assert not record.done.is_set()
    assert len(record.posts) == posted


def test_many_jobs_at_once(source: JobSource, capsys: pytest.CaptureFixture[str]) -> None:
    begun = time.monotonic()
    records = source.give(*({"id": f"many-{n}", "input": {"prompt": f"sentence {n}"}} for n in range(JOBS)))
    outputs = [record.output(120) for record in records]
    took = time.monotonic() - begun
    assert [output["text"] for output in outputs] == [f"sentence {n}" for n in range(JOBS)]
    with capsys.disabled():
        print(f"\n{JOBS} jobs: {JOBS / took:.0f} jobs/s")
    assert JOBS / took > 5  # the SDK alone does about one per second


def test_time_is_limited_as_the_job_says(source: JobSource, site: Any) -> None:
    record = source.job("late", hours(site), policy={"executionTimeout": 1_500})
    assert "longer than its execution timeout" in record.error()


def test_outputs_are_not_logged(runpod: Worker, source: JobSource) -> None:
    secret = "a sentence that nobody should read in a log"
    source.job("secret", {"prompt": secret}).output()
    assert secret not in runpod.output
    assert re.search(r'"requestId": "secret"', runpod.output)
