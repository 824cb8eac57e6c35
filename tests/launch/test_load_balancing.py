"""The worker behind RunPod's load balancer: probed from the first moment, and then the HTTP application itself."""

import threading
from pathlib import Path

import httpx
import pytest

from tests.serve_app.runpod_worker.jobs import WORDS
from tests.serve_app.runpod_worker.running import AUDIO, config_without_classifier, wait_for, worker
from tests.serving import WEB, free_port


def listening(url: str) -> httpx.Response | None:
    try:
        return WEB.get(f"{url}/ping", timeout=10)
    except httpx.TransportError:
        return None


def transcribed(url: str, name: str, headers: dict[str, str]) -> httpx.Response:
    files = {"file": (name, (AUDIO / name).read_bytes())}
    path = f"{url}/v1/audio/transcriptions"
    return WEB.post(path, files=files, data={"model": "whisper-1"}, headers=headers, timeout=60)


@pytest.mark.parametrize("runtime", ["local", "ray"])
def test_probes_and_requests(runtime: str, tmp_path: Path) -> None:
    port, health = free_port(), free_port()
    environment = {"PORT": str(port), "PORT_HEALTH": str(health), "ANTIPHON_API_KEYS": "key"}
    config = config_without_classifier(tmp_path)
    with worker("--config", str(config), "--runtime", runtime, environment=environment) as running:
        url, key = f"http://127.0.0.1:{port}", {"Authorization": "Bearer key"}
        first = wait_for(lambda: listening(f"http://127.0.0.1:{health}"), running)
        assert first.status_code == 204
        early = transcribed(url, "utt01.wav", key)
        assert early.status_code == 503
        assert "starting" in early.json()["error"]["message"]
        assert early.headers["retry-after"]

        seen: list[httpx.Response] = []

        def ready() -> bool:
            answer = listening(url)
            assert answer is not None
            seen.append(answer)
            return answer.status_code == 200

        wait_for(ready, running)
        assert {answer.status_code for answer in seen} == {204, 200}
        assert WEB.get(f"http://127.0.0.1:{health}/ping").status_code == 200
        assert transcribed(url, "utt01.wav", {}).status_code == 401
        assert transcribed(url, "utt01.wav", key).json()["text"].strip() == WORDS

        answers: list[httpx.Response] = []
        client = threading.Thread(target=lambda: answers.append(transcribed(url, "utt12_long.wav", key)))
        client.start()

        def busy() -> bool:
            models = WEB.get(f"{url}/readyz").json()["models"]
            return bool(models["sample-asr"]["active_requests"]) or bool(answers)

        wait_for(busy, running)
        assert running.terminate() == 0, running.output
        client.join(60)
        (answer,) = answers
        assert answer.status_code == 200
        assert "Traceback" not in running.output


def test_a_port_that_is_taken_is_told() -> None:
    with worker("--load-balancing", environment={"PORT": "not-a-port"}) as running:
        assert running.process.wait(60) == 2
        assert "PORT has to be a port" in running.output
