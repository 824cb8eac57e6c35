"""The worker without Ray's processes: the same answers, its end, and test inputs."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serve_app.runpod_worker.job_source import JobSource
from tests.serve_app.runpod_worker.jobs import WORDS, blob, ivrit_job, text_of
from tests.serve_app.runpod_worker.running import ROOT, config_without_classifier, wait_for, worker

LOCAL = {"RUNTIME": "local"}


@pytest.fixture
def source() -> Iterator[JobSource]:
    with JobSource(hold_s=20) as running:
        yield running


def test_it_answers_drains_and_ends(source: JobSource) -> None:
    with worker(environment={**source.environment(), **LOCAL}) as running:
        wait_for(source.polled.is_set, running)
        quick = source.job("ivrit", ivrit_job())
        assert text_of(quick.output()) == WORDS
        assert "hate" in source.job("hate", {"prompt": "Hello World"}).output()
        spoken = source.job("speech", {"text": "seven two", "format": "wav"}).output()
        assert base64.b64decode(spoken["audio"])[:4] == b"RIFF"
        assert spoken["seconds"] > 0.3
        assert len(running.family()) == 2  # itself and the SDK's pings

        arguments = {"language": "en", "blob": [blob("utt12_long.wav")] * 2}
        stopped = source.job(
            "stopped", {**ivrit_job(), "transcribe_args": {**arguments, "blob": arguments["blob"] * 6}}
        )
        wait_for(lambda: stopped.of("chunk"), running, 30)
        source.stop("stopped")
        wait_for(lambda: "stopped" not in source.pings[-1], running, 20)

        slow = source.job("slow", {**ivrit_job(), "transcribe_args": arguments})
        wait_for(lambda: slow.of("chunk"), running, 30)
        # The long polls of the source are open, and would be for longer than this allows.
        assert running.terminate(19) == 0, running.output
        assert {entry["index"] for (entry,) in slow.output()} == {0, 1}
        assert not stopped.done.is_set()
        assert "Traceback" not in running.output


def run(*arguments: str, cwd: Path = ROOT) -> tuple[int, str]:
    """The exit status and the output of a worker that ends by itself."""
    with worker(*arguments, environment=LOCAL, cwd=cwd) as running:
        return running.process.wait(120), running.output


def test_the_test_input_of_the_folder_also_if_it_streams(tmp_path: Path) -> None:
    (tmp_path / "test_input.json").write_text(json.dumps({"input": ivrit_job()}))
    status, output = run("--config", str(config_without_classifier(tmp_path)), cwd=tmp_path)
    assert status == 0, output
    assert "two two three" in output


def test_a_test_input_that_fails(tmp_path: Path) -> None:
    job = json.dumps({"input": {"transcribe_args": 5}})
    status, output = run("--config", str(config_without_classifier(tmp_path)), "--test_input", job)
    assert status == 1, output
    assert "failed with error: " in output
    assert "Traceback" not in output


def test_wrong_starts_are_told(tmp_path: Path) -> None:
    status, output = run("--confg", "other.yaml")
    assert (status, "unknown option --confg" in output) == (2, True)
    status, output = run("--config", str(tmp_path / "missing.yaml"))
    assert (status, "missing.yaml" in output) == (2, True), output


def test_a_model_that_cannot_be_loaded_ends_the_worker(source: JobSource, tmp_path: Path) -> None:
    config = config_without_classifier(tmp_path)
    config.write_text(config.read_text().replace("samples/asr/model", "samples/nowhere"))
    with worker("--config", str(config), environment={**source.environment(), **LOCAL}) as running:
        assert running.process.wait(120) == 1
        assert "could not start a model" in running.output
    (report,) = source.unhealthy
    assert report["check"] == "models_are_ready"
    assert not source.polled.is_set()
