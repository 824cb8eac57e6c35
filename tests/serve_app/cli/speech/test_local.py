"""``antiphon speak`` by itself: the sample voice in this process."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import numpy as np
import pytest
import yaml

from deployments.fish_speech.types import SpeechEvent, SpeechRequest
from media.decode import probe
from serve_app.cli.progress import Bar
from serve_app.cli.servers import ModelOptions
from serve_app.cli.speech.local import LocalSpeaker
from serve_app.fields.audio import Upload
from tests.media.sound import decoded
from tests.serve_app.cli.terminal import ROOT, antiphon
from tests.serve_app.http.server import serving
from tests.serve_app.http.speaking import SpeakingGateway
from tests.serve_app.http.stub import app_of

MODEL = ROOT / "samples" / "tts" / "model"
RECORDING = ROOT / "samples" / "tts" / "voices" / "slt" / "hello.wav"
TEXT = "yes green"


def spoken(target: Path, *arguments: str | Path) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    result = antiphon("speak", *arguments, "-o", target, TEXT)
    assert (result.exit_code, result.stdout) == (0, ""), result.stderr
    return decoded(target.read_bytes(), probe(target).sample_rate)


class RealGateway(SpeakingGateway):
    """The model behind the stub's door."""

    def __init__(self) -> None:
        super().__init__()
        self._speaker: LocalSpeaker | None = None
        self._started = asyncio.Lock()

    async def speak(
        self, request: SpeechRequest, references: Sequence[Upload] = ()
    ) -> AsyncGenerator[SpeechEvent]:
        async with self._started:
            if self._speaker is None:
                options = ModelOptions(server=None, local=True, model=str(MODEL), config=None)
                self._speaker = await LocalSpeaker(options, Bar("", shown=False)).__aenter__()
        request = request.model_copy(update={"model": None})
        async for event in self._speaker.gateway.speak(request, references):
            yield event


def test_a_server_and_the_process_itself_say_the_same(tmp_path: Path) -> None:
    options = ["--seed", "5", "--reference-audio", RECORDING, "--speed", "0.8", "--sample-rate", "24000"]
    with serving(app_of(RealGateway())) as url:
        served = spoken(tmp_path / "served.wav", "--server", url, *options)
    local = spoken(tmp_path / "local.wav", "--local", "--model", MODEL, *options)
    np.testing.assert_array_equal(served, local)
    assert probe(tmp_path / "local.wav").sample_rate == 24_000
    assert 0.4 < local.size / 24_000 < 4
    assert np.abs(local).max() > 0.05


def test_without_a_server_the_configured_voice_speaks(tmp_path: Path) -> None:
    result = antiphon("speak", TEXT, "-o", tmp_path / "a.flac", "--seed", "5", "--volume", "-20", "-v")
    assert result.exit_code == 0, result.stderr
    assert "the model runs in this process" in result.stderr
    assert result.stderr.endswith("seed 5\n")
    quiet = decoded((tmp_path / "a.flac").read_bytes())
    named = spoken(tmp_path / "b.flac", "--local", "--voice", "slt", "--seed", "5")
    other = spoken(tmp_path / "c.flac", "--local", "--voice", "slt", "--seed", "6")
    np.testing.assert_allclose(quiet, named / 10, atol=1e-4)
    assert other.size != named.size or not np.array_equal(other, named)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--model", "nobody"], "The model 'nobody' is not served here. Models for speech: sample-tts."),
        (["--model", "hf://acme/model"], "names no revision; pin one"),
        (["--voice", "nobody"], "nobody"),
        (["--speed", "9"], "`speed` has to be a number from 0.25 to 4, not '9.0'."),
    ],
)
def test_what_cannot_be_done_here_is_a_sentence_and_1(options: list[str], sentence: str, tmp_path: Path) -> None:
    config = tmp_path / "local.yaml"
    args = {"models": [{"id": "sample-tts", "family": "fish_speech", "config": {"source": str(MODEL)}}]}
    application = {"name": "antiphon", "import_path": "serve_app:build", "args": args}
    config.write_text(yaml.safe_dump({"http_options": {"host": "127.0.0.1"}, "applications": [application]}))
    result = antiphon("speak", "--config", config, *options, "-o", tmp_path / "a.wav", TEXT)
    assert (result.exit_code, result.stdout) == (1, "")
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "a.wav").exists()


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    result = antiphon("speak", "--local", "--model", tmp_path, TEXT)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ")
    assert "no model of fish-speech" in result.stderr
