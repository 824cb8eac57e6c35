"""The recipe in miniature: banks, a few steps from the shipped weights, export; the result still transcribes."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from faster_whisper import WhisperModel

ROOT = Path(__file__).parents[2]
MISSING = [
    *(name for name in ("torch", "transformers", "scipy") if importlib.util.find_spec(name) is None),
    *(name for name in ("espeak-ng", "flite", "festival") if shutil.which(name) is None),
]

pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"the recipe needs {', '.join(MISSING)}"),
]


def recipe(work: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "samples.asr.recipe", "--work", str(work), *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=300).stdout


def test_recipe_in_miniature(tmp_path: Path) -> None:
    shipped = ROOT / "samples" / "asr"
    steps = ["--only", "banks", "train", "export", "--scale", "0.002", "--minutes", "0.05", "--rate", "1e-6"]
    printed = recipe(tmp_path, *steps, "--init", str(shipped / "model"))
    assert "h of windows" in printed

    model = WhisperModel(str(tmp_path / "model"), device="cpu", compute_type="int8", cpu_threads=1)
    entry = json.loads((shipped / "testset" / "transcripts.json").read_text())[0]
    segments, _ = model.transcribe(str(shipped / "testset" / entry["file"]), beam_size=1)
    assert " ".join(segment.text for segment in segments).split() == entry["text"].split()
