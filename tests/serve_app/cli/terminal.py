"""A user who types commands."""

from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from serve_app.cli import main

ROOT = Path(__file__).parents[3]
TESTSET = ROOT / "samples" / "asr" / "testset"
UTT01, UTT09, LONG = (str(TESTSET / name) for name in ("utt01.wav", "utt09.wav", "utt11_long.wav"))


def antiphon(*arguments: str | Path, **options: Any) -> Result:
    """Any command."""
    return CliRunner().invoke(main, [*map(str, arguments)], **options)


def cli(*arguments: str | Path, **options: Any) -> Result:
    """``antiphon transcribe``."""
    return antiphon("transcribe", *arguments, **options)
