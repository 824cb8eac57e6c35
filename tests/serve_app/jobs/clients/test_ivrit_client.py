"""ivrit's own clients, the newest and an old one, whose fixed host is another one here."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.serve_app.http.server import wait_until
from tests.serve_app.http.stub import FINISHED, SEGMENTS, StubGateway
from tests.serve_app.jobs.clients.ivrit_host import send_to
from tests.serve_app.jobs.clients.site import KEY, Served

ivrit = pytest.importorskip("ivrit")

ROOT = Path(__file__).parents[4]
WAV = ROOT / "samples" / "asr" / "testset" / "utt01.wav"
URL = "https://example.com/speech.wav"
OLD = Path(os.environ.get("IVRIT_0_1_8", ROOT / ".venv" / "ivrit-0.1.8"))
TEXTS = [segment.text for segment in SEGMENTS]
TEXT = " ".join(TEXTS).strip()  # the client puts a blank before the one that is there


@pytest.fixture(autouse=True)
def host(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    send_to(served.url, monkeypatch.setattr)


def model(endpoint: str = "transcribe", key: str = KEY, name: str = "org/some-name") -> Any:
    return ivrit.load_model(engine="runpod", model=name, api_key=key, endpoint_id=endpoint)


def test_a_file(gateway: StubGateway) -> None:
    found = model().transcribe(path=str(WAV), language="en")
    assert found["text"].strip() == TEXT
    assert found["language"] == "en"
    assert [segment.start for segment in found["segments"]] == [0.0, 2.5]
    assert found["segments"][0].words[1].word == " birch"
    (upload,) = gateway.uploads
    assert upload is not None
    assert upload.data.tobytes() == WAV.read_bytes()
    assert gateway.request.language == "en"


def test_a_url_with_progress(gateway: StubGateway) -> None:
    seen: list[dict[str, Any]] = []
    stream = model().transcribe(url=URL, stream=True, on_progress=seen.append)
    assert [segment.text for segment in stream] == TEXTS
    assert gateway.request.url == URL
    assert seen
    assert {"phase", "step", "step_fraction", "description", "extra"} == seen[0].keys()


def test_base64() -> None:
    blob = base64.b64encode(WAV.read_bytes()).decode()
    assert model().transcribe(blob=blob)["text"].strip() == TEXT


async def test_asyncio() -> None:
    stream = model().transcribe_async(path=str(WAV))
    assert [segment.text async for segment in stream] == TEXTS


def test_a_batch() -> None:
    found = model().transcribe(url=[URL, URL + "?2"])
    assert [result["text"].strip() for result in found] == [TEXT, TEXT]


async def test_a_batch_of_files_with_asyncio() -> None:
    texts: dict[int, str] = {}
    async for index, segment in model().transcribe_async(path=[str(WAV)] * 3):
        texts[index] = texts.get(index, "") + segment.text
    assert texts == {index: "".join(TEXTS) for index in range(3)}


def test_closing_early_stops_the_work(gateway: StubGateway) -> None:
    gateway.script = (*gateway.script[:2], 60.0, FINISHED)
    stream = model().transcribe(url=URL, stream=True)
    assert next(stream).text == TEXTS[0]
    assert gateway.active == 1
    stream.close()
    wait_until(lambda: gateway.active == 0)


def test_failures() -> None:
    with pytest.raises(Exception, match=r"RunPod job FAILED: .*'nobody' is not served here"):
        model(name="nobody").transcribe(url=URL)
    with pytest.raises(Exception, match="Invalid RunPod API key"):
        model(key="wrong").transcribe(url=URL)
    with pytest.raises(Exception, match="404"):
        model("nowhere").transcribe(url=URL)


def test_a_failure_after_the_first_segment_keeps_the_segment(gateway: StubGateway) -> None:
    """The client drops what comes together with a failure."""
    from deployments.errors import InvalidRequest

    gateway.script = (*gateway.script[:2], 2.5, InvalidRequest("The rest is silence."))  # it asks once a second
    stream = model().transcribe(url=URL, stream=True)
    assert next(stream).text == TEXTS[0]
    with pytest.raises(Exception, match=r"RunPod job FAILED: The rest is silence\."):
        next(stream)


@pytest.mark.skipif(not (OLD / "ivrit").is_dir(), reason=f"ivrit 0.1.8 is not unpacked in {OLD.name} of the .venv")
def test_the_old_client(served: Served, gateway: StubGateway) -> None:
    """0.1.8 knows bare segments only, and takes a failed job for an empty one."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.serve_app.jobs.clients.ivrit_old", served.url, KEY, str(WAV)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{OLD}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["file"]["text"].strip() == TEXT
    assert found["url"] == found["async"] == TEXTS
    assert found["closed"] == TEXTS[0]
    assert found["failed"].strip() == ""
    assert "Invalid RunPod API key" in found["key"]
    wait_until(lambda: gateway.active == 0)
