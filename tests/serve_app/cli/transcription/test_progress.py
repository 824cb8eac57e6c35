"""The progress bar of several inputs."""

import time

import pytest

from serve_app.cli import progress as bars
from serve_app.cli.transcription import progress


def test_the_bar_appears_when_it_takes_long(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bars, "PATIENCE_S", 0.0)
        with progress.ProgressBar(2, shown=True) as bar:
            bar.say("loading")
            bar.update(0, 30.0, 60.0)
            bar.update(1, 0.0, 40.0)
            time.sleep(0.15)
            bar.update(0, 50.0)
            shown = capsys.readouterr().err
            bar.finish(0)
            bar.finish(1)
    assert "loading" in shown
    assert "50/100" in shown
    capsys.readouterr()
    with progress.ProgressBar(1, shown=True) as bar:
        bar.update(0, 1.0, 2.0)
    assert capsys.readouterr().err == ""
