"""``antiphon transcribe`` by itself: the sample model in this process, and the progress bar."""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from deployments.whisper.types import TranscriptionEvent, TranscriptionRequest
from serve_app.cli.local import find_model
from serve_app.cli.servers import ModelOptions
from serve_app.cli.transcription import progress
from serve_app.cli.transcription.local import NO_LIMIT, WHISPER, LocalTranscriber
from serve_app.fields.audio import Upload, file_upload
from tests.serve_app.cli.terminal import LONG, ROOT, UTT01, UTT09, cli
from tests.serve_app.http.server import serving
from tests.serve_app.http.stub import StubGateway, app_of


def test_without_a_server_it_works_by_itself() -> None:
    result = cli(UTT01)
    assert (result.exit_code, result.stdout) == (0, "two two three seven five\n")
    assert "the model runs in this process" in result.stderr


def test_a_folder_is_a_model(tmp_path: Path) -> None:
    folder = ROOT / "samples" / "asr" / "model"
    assert cli("--model", folder, UTT09).stdout == "the green door and the small coffee\n"
    result = cli("--model", tmp_path, UTT09)
    assert result.exit_code == 1
    assert "holds none of the files of a model" in result.stderr


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--model", "nobody"], "The model 'nobody' is not served here. Models for transcription: sample-asr."),
        (["--model", "hf://acme/model"], "names no revision; pin one"),
        (["--language", "de"], "This model does not know the language 'de'. It knows: en."),
        (["--config", str(ROOT / "pyproject.toml")], "The configuration is wrong."),
    ],
)
def test_what_cannot_be_done_here_is_a_sentence_and_1(options: list[str], sentence: str) -> None:
    result = cli("--local", *options, UTT01)
    assert result.exit_code == 1
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr


def test_queues_do_not_limit_a_process_of_ones_own() -> None:
    model = find_model(WHISPER, "whisper-1", None)
    (entry,) = model.config.models
    assert (model.name, entry.config.queue_requests) == ("sample-asr", NO_LIMIT["queue_requests"])


def test_a_file_is_read_beside_the_event_loop_and_a_small_one_may_shrink_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(Path(UTT09).read_bytes())
    opened: list[threading.Thread] = []
    open_file = file_upload

    def shrinking(*arguments: Any) -> Upload:
        opened.append(threading.current_thread())
        upload = open_file(*arguments)
        path.write_bytes(b"")
        return upload

    monkeypatch.setattr("serve_app.cli.transcription.local.file_upload", shrinking)
    assert cli("--local", str(path)).stdout == "the green door and the small coffee\n"
    assert threading.main_thread() not in opened
    assert cli("--local", str(path)).stderr == "Error: The file is empty.\n"


class RealGateway(StubGateway):
    """The sample model behind the stub's door."""

    def __init__(self) -> None:
        super().__init__()
        self._started = asyncio.Lock()
        self._transcriber: LocalTranscriber | None = None

    async def transcribe(
        self, request: TranscriptionRequest, upload: Upload | None = None
    ) -> AsyncGenerator[TranscriptionEvent, None]:
        async with self._started:
            if self._transcriber is None:
                options = ModelOptions(server=None, local=True, model=None, config=None)
                bar = progress.ProgressBar(1, shown=False)
                self._transcriber = await LocalTranscriber(options, bar).__aenter__()
        assert upload is not None
        async for event in self._transcriber.gateway.transcribe(request, upload):
            yield event


def test_a_server_and_the_process_itself_print_the_same() -> None:
    common = ["--word-timestamps", "--beam-size", "1", UTT01, UTT09]
    options = [["--format", kind, *common] for kind in ("text", "json", "verbose_json")]
    options[-1].append(LONG)
    with serving(app_of(RealGateway())) as url:
        served = [cli("--server", url, *each) for each in options]
    local = [cli("--local", *each) for each in options]
    assert [each.exit_code for each in served + local] == [0] * 6
    assert [each.stdout for each in local] == [each.stdout for each in served]


@pytest.mark.parametrize("seconds", [1.0, 3.0])
def test_ctrl_c_ends_it_wherever_it_is(seconds: float) -> None:
    command = [
        sys.executable,
        "-c",
        "from serve_app.cli import main; main()",
        "transcribe",
        "--local",
        *[LONG] * 9,
    ]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=20)
    assert process.returncode == 1
    assert b"Traceback" not in error


def test_a_models_classifier_comes_along_and_a_request_has_any_time(tmp_path: Path) -> None:
    config = tmp_path / "moderated.yaml"
    config.write_text(
        """
http_options: {host: 127.0.0.1}
applications:
  - name: antiphon
    import_path: serve_app:build
    args:
      http: {request_timeout_s: 0.001}
      models:
        - id: moderated
          classifier: words
          config: {source: samples/asr/model, engine: {device: cpu, compute_type: int8}}
        - {id: words, family: text_classification, config: {source: samples/classifier/model}}
"""
    )
    whole = json.loads(cli("--config", str(config), "--format", "verbose_json", UTT09).stdout)
    (segment,) = whole["segments"]
    assert max(segment["classification"], key=segment["classification"].get) == "neutral"
    brief = json.loads(cli("--config", str(config), "--format", "json", UTT09).stdout)
    assert brief["classification"] == [
        {"start": segment["start"], "end": segment["end"], **segment["classification"]}
    ]
