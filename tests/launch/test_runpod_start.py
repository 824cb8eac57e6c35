"""A RunPod worker that is stopped before its graph stands."""

from pathlib import Path

from tests.serve_app.runpod_worker.job_source import JobSource
from tests.serve_app.runpod_worker.running import config_without_classifier, wait_for, worker


def test_a_signal_while_the_graph_starts(tmp_path: Path) -> None:
    config = config_without_classifier(tmp_path)
    with (
        JobSource(hold_s=20) as source,
        worker("--config", str(config), environment=source.environment()) as running,
    ):
        wait_for(lambda: any(running.runs("ServeController")), running)
        assert running.terminate(60) == 0, running.output
        assert "Traceback" not in running.output
        assert not source.polled.is_set()
