"""``antiphon transcribe`` as its users see it, against a server that plays a script."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from deployments.errors import AntiphonError, ModelUnavailable, Overloaded
from deployments.whisper.types import Finished, Started, Transcript, TranscriptionEvent, TranscriptionRequest
from serve_app.cli import servers
from serve_app.cli.transcription import inputs
from serve_app.fields.audio import Upload
from serve_app.tasks.transcription import formats as transcripts
from tests.serve_app.cli.terminal import LONG, ROOT, UTT01, UTT09, cli
from tests.serve_app.http.server import serving, wait_until
from tests.serve_app.http.stub import CALL, CALL_SEGMENTS, CALL_TRACK, SEGMENTS, TEXT, Step, StubGateway, app_of

FINISHED = Finished("en", 0.98, 5.2, 5.0)
CALL_TRANSCRIPT = Transcript("transcribe", "en", 0.98, 5.2, 6.0, CALL_SEGMENTS, CALL_TRACK)
TRANSCRIPT = Transcript("transcribe", "en", 0.98, 5.2, 5.0, SEGMENTS)


class PlaylistGateway(StubGateway):
    """Plays one script after the other; the last one again and again."""

    def __init__(self, *scripts: Sequence[Step]) -> None:
        super().__init__()
        self._scripts = list(scripts) or [self.script]

    async def transcribe(
        self, request: TranscriptionRequest, upload: Upload | None = None
    ) -> AsyncGenerator[TranscriptionEvent, None]:
        self.script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        async for event in super().transcribe(request, upload):
            yield event


@contextlib.contextmanager
def server(*scripts: Sequence[Step], **limits: Any) -> Iterator[tuple[PlaylistGateway, str]]:
    gateway = PlaylistGateway(*scripts)
    with serving(app_of(gateway, **limits)) as url:
        yield gateway, url


def as_printed(document: dict[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("text", transcripts.as_text(CALL_TRANSCRIPT)),
        ("srt", transcripts.as_srt(CALL_SEGMENTS)),
        ("vtt", transcripts.as_vtt(CALL_SEGMENTS)),
        ("json", as_printed(transcripts.as_json(CALL_TRANSCRIPT))),
        ("verbose_json", as_printed(transcripts.as_verbose_json(CALL_TRANSCRIPT))),
    ],
)
def test_two_parties(kind: str, expected: str) -> None:
    with server(CALL) as (gateway, url):
        options = ["--channels", "split", "--audio-track", "en", "--format", kind]
        assert cli("--server", url, *options, UTT01).stdout == expected
    assert (gateway.request.channels, gateway.request.audio_track) == ("split", "en")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("text", transcripts.as_text(TRANSCRIPT)),
        ("srt", transcripts.as_srt(SEGMENTS)),
        ("vtt", transcripts.as_vtt(SEGMENTS)),
        ("json", as_printed(transcripts.as_json(TRANSCRIPT))),
        ("verbose_json", as_printed(transcripts.as_verbose_json(TRANSCRIPT))),
    ],
)
def test_every_format_of_a_server(kind: str, expected: str) -> None:
    with server() as (_, url):
        result = cli("--server", url, "--format", kind, UTT01)
    assert (result.exit_code, result.stdout, result.stderr) == (0, expected, "")


def test_every_option_reaches_the_server() -> None:
    options = (
        "--model large --language german --prompt Hm. --hotwords a,b --beam-size 3 --temperature 0.2,0.4 --no-vad "
        "--word-timestamps --format verbose_json --task transcribe"
    )
    with server() as (gateway, url):
        result = cli("--server", f"{url}/v1/", *options.split(), UTT01)
        request = gateway.request
    assert (request.model, request.language, request.vad) == ("large", "de", None)
    assert (request.decoding.initial_prompt, request.decoding.hotwords) == ("Hm.", "a,b")
    assert (request.decoding.beam_size, request.decoding.temperatures) == (3, (0.2, 0.4))
    assert (request.decoding.word_timestamps, request.file_name) == (True, "utt01.wav")
    assert len(json.loads(result.stdout)["words"]) == len(TEXT.split())


def test_the_bytes_of_the_file_reach_the_server() -> None:
    with server() as (gateway, url):
        cli("--server", url, UTT01)
        (upload,) = gateway.uploads
    assert upload is not None
    assert upload.data.tobytes() == Path(UTT01).read_bytes()


def test_translation_and_a_url() -> None:
    with server() as (gateway, url):
        result = cli("--server", url, "--task", "translate", "https://example.com/a%20b.mp3", "--format", "json")
        assert (gateway.request.task, gateway.request.url) == ("translate", "https://example.com/a%20b.mp3")
    assert json.loads(result.stdout)["text"] == TEXT


def test_standard_input_and_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    data = Path(UTT01).read_bytes()
    with server() as (gateway, url):
        assert cli("--server", url, "-", input=data).stdout == TEXT + "\n"
        (upload,) = gateway.uploads
        assert upload is not None
        assert upload.data.tobytes() == data
        monkeypatch.setattr(inputs, "PIPE_BYTES", 1000)
        result = cli("--server", url, "-", input=data)
    assert result.exit_code == 2
    assert "more than" not in result.stdout
    assert "A pipe may hold 1000 bytes" in result.stderr


def test_a_pipe_is_read_like_standard_input(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with server() as (gateway, url), subprocess.Popen(["cp", UTT01, str(pipe)]):
        assert cli("--server", url, pipe).stdout == TEXT + "\n"
    assert gateway.uploads


@pytest.mark.parametrize("kind", ["text", "srt", "vtt"])
def test_a_stream_prints_each_segment_at_once(kind: str) -> None:
    go_on = asyncio.Event()
    with server((Started("en", 1, None), SEGMENTS[0], go_on, SEGMENTS[1], FINISHED)) as (_, url):
        command = [sys.executable, "-c", "from serve_app.cli import main; main()", "transcribe", "--stream"]
        command += ["--server", url, "--format", kind, UTT01]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                first = ""
                while SEGMENTS[0].text.strip() not in first:  # a format's heading may come by itself
                    more = os.read(process.stdout.fileno(), 10_000).decode()
                    assert more, first
                    first += more
                assert SEGMENTS[1].text.strip() not in first
            finally:
                go_on._loop.call_soon_threadsafe(go_on.set)  # type: ignore[attr-defined]
            rest = process.stdout.read()
        assert process.returncode == 0
        assert first + rest == cli("--server", url, "--format", kind, UTT01).stdout


def test_ctrl_c_ends_the_request() -> None:
    with server((Started("en", 1, None), SEGMENTS[0], asyncio.Event())) as (gateway, url):
        command = [sys.executable, "-c", "from serve_app.cli import main; main()", "transcribe", "--stream"]
        with subprocess.Popen(
            [*command, "--server", url, UTT01],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            os.read(process.stdout.fileno(), 10_000)
            process.send_signal(signal.SIGINT)
            _, error = process.communicate(timeout=20)
        assert process.returncode == 1
        assert b"Traceback" not in error
        wait_until(lambda: gateway.closed == 1)


def test_several_files_come_in_their_order_and_one_failure_stops_no_other(tmp_path: Path) -> None:
    slow = (0.3, Started("en", 1, None), SEGMENTS[0], FINISHED)
    bad = tmp_path / "empty.wav"
    bad.touch()
    with server(slow) as (_, url):
        result = cli("--server", url, UTT01, bad, UTT09)
    assert result.exit_code == 1
    assert result.stdout == (SEGMENTS[0].text.strip() + "\n") * 2
    assert result.stderr == f"Error: {bad}: The file is empty.\n"


def test_results_go_to_files(tmp_path: Path) -> None:
    with server() as (_, url):
        assert cli("--server", url, UTT01, "-o", tmp_path / "one.txt").stdout == ""
        cli("--server", url, UTT01, UTT09, "--format", "srt", "-o", tmp_path / "new" / "folder")
        cli("--server", url, "https://example.com/talk.mp3?x=1", "-o", tmp_path)
        cli("--server", url, UTT01, "--stream", "-o", tmp_path / "stream.txt")
    assert (tmp_path / "one.txt").read_text() == TEXT + "\n"
    assert (tmp_path / "stream.txt").read_text() == TEXT + "\n"
    assert (tmp_path / "talk.txt").read_text() == TEXT + "\n"
    for name in ("utt01.srt", "utt09.srt"):
        assert (tmp_path / "new" / "folder" / name).read_text() == transcripts.as_srt(SEGMENTS)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Missing argument"),
        (["there-is-none.wav"], "There is no file there-is-none.wav."),
        ([ROOT], "is a folder; name the files in it."),
        (["ftp://example.com/a.wav"], "only http and https URLs"),
        (["-", "-"], "can be read once"),
        (["--stream", UTT01, UTT09], "--stream takes one input"),
        (["--stream", "--format", "json", UTT01], "--stream takes one input"),
        (["--format", "docx", UTT01], "'docx' is not one of"),
        (["-o", LONG, UTT01, UTT09], "is a file; several inputs need a folder"),
        (["-o", ROOT, UTT01, "https://example.com/utt01.mp3"], "Two inputs would be written to"),
        (["--server", "localhost:8000", UTT01], "is no URL such as"),
    ],
)
def test_wrong_usage_is_a_sentence_and_2(arguments: list[str], sentence: str) -> None:
    result = cli(*arguments)
    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ((ModelUnavailable("It is loading."),), "It is loading."),
        ((Started("en", 1, None), SEGMENTS[0], AntiphonError("It broke.")), "It broke."),
        ((Overloaded("Full.", retry_after_s=999),), "Full."),
    ],
)
def test_what_a_server_refuses_is_a_sentence_and_1(script: Sequence[Step], sentence: str) -> None:
    with server(script) as (_, url):
        result = cli("--server", url, UTT01)
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"Error: {sentence}\n")


def test_fields_that_the_server_refuses() -> None:
    with server() as (_, url):
        result = cli("--server", url, "--language", "klingon", UTT01)
    assert result.exit_code == 1
    assert "`language` has to be a language that Whisper knows" in result.stderr


def test_a_full_server_is_asked_again() -> None:
    with server((Overloaded("Full.", retry_after_s=0.1),), (Started("en", 1, None), *SEGMENTS, FINISHED)) as (
        _,
        url,
    ):
        result = cli("--server", url, UTT01)
    assert (result.exit_code, result.stdout) == (0, TEXT + "\n")


def test_no_server_at_the_given_address() -> None:
    result = cli("--server", "http://127.0.0.1:9", UTT01)
    assert result.exit_code == 1
    assert "The server at http://127.0.0.1:9 cannot be reached" in result.stderr


def test_keys_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with server(keys=["sesame"]) as (_, url):
        assert "This server wants an API key" in cli("--server", url, UTT01).stderr
        monkeypatch.setenv("ANTIPHON_API_KEY", "sesame")
        monkeypatch.setenv("ANTIPHON_SERVER", url)
        assert cli(UTT01).stdout == TEXT + "\n"


def test_a_server_at_the_usual_place_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with server() as (_, url):
        monkeypatch.setattr(servers, "DEFAULT_SERVER", url)
        result = cli(UTT01)
    assert (result.stdout, result.stderr) == (TEXT + "\n", "")
