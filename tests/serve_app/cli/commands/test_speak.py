"""``antiphon speak`` and ``antiphon voices`` as their users see them, against the real routes."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from deployments.errors import InternalError, Overloaded
from deployments.fish_speech.types import Voice, VoiceDetails
from media.decode import RawPcm, probe
from media.encode import EXTENSIONS, FORMATS, AudioFormat, encode
from tests.media.sound import correlation, decoded
from tests.serve_app.cli.terminal import ROOT, antiphon
from tests.serve_app.http.server import serving, wait_until
from tests.serve_app.http.speaking import SpeakingGateway
from tests.serve_app.http.speech_stub import RATE, tone
from tests.serve_app.http.stub import app_of

SAID = "The birch canoe."


@contextlib.contextmanager
def server(hindrances: dict[int, Any] | None = None, **limits: Any) -> Iterator[tuple[SpeakingGateway, str]]:
    gateway = SpeakingGateway(hindrances=hindrances)
    with serving(app_of(gateway, **limits)) as url:
        yield gateway, url


def speak(*arguments: str | Path, **options: Any) -> Result:
    return antiphon("speak", *arguments, **options)


@pytest.mark.parametrize("kind", FORMATS)
def test_the_ending_says_the_format(kind: AudioFormat, tmp_path: Path) -> None:
    target = tmp_path / "new" / f"speech{EXTENSIONS[kind].upper()}"
    with server() as (gateway, url):
        result = speak("--server", url, SAID, "-o", target)
        said = tone(gateway.spoken)
    assert (result.exit_code, result.stdout) == (0, "")
    sound = decoded(target.read_bytes(), RATE, raw=RawPcm(RATE) if kind == "pcm" else None)
    assert said.size <= sound.size <= said.size + (3_000 if kind == "aac" else 0)
    assert correlation(sound, said) > 0.98
    if kind not in ("pcm", "aac"):  # a whole file tells its length
        assert probe(target).duration_s == pytest.approx(said.size / RATE, abs=0.05)


def test_the_same_samples_as_over_http(tmp_path: Path) -> None:
    with server() as (gateway, url):
        assert speak("--server", url, SAID, "-o", tmp_path / "a.wav").exit_code == 0
        assert (tmp_path / "a.wav").read_bytes() == encode(tone(gateway.spoken), "wav", RATE)


def test_what_was_done_is_told(tmp_path: Path) -> None:
    with server() as (_, url):
        result = speak("--server", url, SAID, "-o", tmp_path / "a.wav", "--seed", "17", "-v")
        assert speak("--server", url, SAID, "-o", tmp_path / "a.wav").stderr == ""
    assert result.stderr.startswith("0.8 s of speech in ")
    assert result.stderr.endswith(" frames/s, seed 17\n")


def test_a_cut_is_a_warning(tmp_path: Path) -> None:
    with server() as (gateway, url):
        gateway.cut = True
        result = speak("--server", url, SAID, "-o", tmp_path / "a.wav")
    assert result.exit_code == 0
    assert result.stderr.startswith("Warning: a segment of the text reached its bound")
    assert (tmp_path / "a.wav").is_file()


def test_every_option_reaches_the_server(tmp_path: Path) -> None:
    options = (
        "--model tts-1 --voice anna --speaker someone --speed 1.5 --volume -3 --sample-rate 8000 --seed 7 "
        "--temperature 0.3 --top-p 0.8 --repetition-penalty 1.1 --max-new-tokens 99 --chunk-length 0 "
        "--bit-rate 16000 --format mp3 --text-format ssml --normalize en"
    )
    with server() as (gateway, url):
        gateway.library["anna"] = Voice("anna", ("Hello.",), VoiceDetails(), 0.0, 0.0)
        result = speak("--server", f"{url}/v1/", *options.split(), "-o", tmp_path / "speech", SAID)
        assert (result.exit_code, result.exception) == (0, None)
        request = gateway.spoken
    assert (request.model, request.voice, request.speaker) == ("tts-1", "anna", "someone")
    assert (request.speed, request.volume_db, request.sample_rate) == (1.5, -3, 8_000)
    assert (request.text_format, request.normalize) == ("ssml", "en")
    sampling = request.sampling
    assert (sampling.seed, sampling.temperature, sampling.top_p) == (7, 0.3, 0.8)
    assert (sampling.repetition_penalty, sampling.max_new_tokens, sampling.chunk_length) == (1.1, 99, 0)
    assert (tmp_path / "speech").stat().st_size < 3_000  # 0.8 s at 16 kbit/s


def test_what_is_not_said_is_left_to_the_model() -> None:
    with server() as (gateway, url):
        speak("--server", url, SAID)
        assert gateway.spoken.sampling.model_fields_set == set()


def test_references_with_their_words(tmp_path: Path) -> None:
    recordings = [tmp_path / name for name in ("a.wav", "b.wav")]
    for number, recording in enumerate(recordings):
        recording.write_bytes(b"RIFF%d" % number)
        recording.with_suffix(".lab").write_text(f"beside {number}\n")
    (tmp_path / "said.txt").write_text(" from a file ")
    audios = [argument for recording in recordings for argument in ("--reference-audio", recording)]
    with server() as (gateway, url):
        for texts in ([], ["--reference-text", "one.", "--reference-text", tmp_path / "said.txt"]):
            assert speak("--server", url, *audios, *texts, SAID).exit_code == 0
        asked = [request.reference_texts for request in gateway.speech_requests]
        assert asked == [("beside 0", "beside 1"), ("one.", "from a file")]
        assert gateway.references == [[b"RIFF0", b"RIFF1"]] * 2
        recordings[0].with_suffix(".lab").unlink()
        result = speak("--server", url, *audios, SAID)
    assert result.exit_code == 2
    assert "There is no a.lab beside" in " ".join(result.stderr.split())


def test_standard_input_and_standard_output() -> None:
    with server() as (gateway, url):
        result = speak("--server", url, "-", input="Grüße an alle.\n")
        assert gateway.spoken.text == "Grüße an alle.\n"
        streamed = encode(tone(gateway.spoken), "wav", RATE)
        assert result.stdout_bytes[44:] == streamed[44:]
        assert speak("--server", url, "-", "-o", "-", "--format", "pcm", input=SAID).stdout_bytes == encode(
            tone(gateway.speech_requests[1]), "pcm", RATE
        )
        result = speak("--server", url, "-", input=b"\xff")
    assert (result.exit_code, "is not UTF-8" in result.stderr) == (2, True)


def program(*arguments: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", "from serve_app.cli import main; main()", "speak", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_sound_comes_while_the_rest_is_made() -> None:
    go_on = asyncio.Event()
    with server({1: go_on}) as (gateway, url), program("--server", url, SAID) as process:
        assert process.stdout is not None
        first = os.read(process.stdout.fileno(), 100_000)
        assert len(first) > 44
        wait_until(lambda: go_on._waiters)  # type: ignore[attr-defined]
        go_on._loop.call_soon_threadsafe(go_on.set)  # type: ignore[attr-defined]
        data = first + process.stdout.read()
        assert process.wait(20) == 0
        said = encode(tone(gateway.spoken), "pcm", RATE)
    assert data[44:] == said


def test_ctrl_c_ends_the_request() -> None:
    with server({1: asyncio.Event()}) as (gateway, url), program("--server", url, SAID) as process:
        assert process.stdout is not None
        os.read(process.stdout.fileno(), 100_000)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=20)
        assert process.returncode == 1
        assert b"Traceback" not in error
        wait_until(lambda: gateway.closed == 1)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Missing argument"),
        (["-o", "speech.docx", SAID], "ends like no format; add --format"),
        (["-o", str(ROOT), SAID], "is a folder; name a file"),
        (["--format", "ogg", SAID], "'ogg' is not one of"),
        (["--speed", "fast", SAID], "'fast' is not a valid float"),
        (["--reference-text", "a", SAID], "There are 0 --reference-audio and 1 --reference-text"),
        (["--reference-audio", "none.wav", SAID], "does not exist"),
        (["--server", "localhost:8000", SAID], "is no URL such as"),
    ],
)
def test_wrong_usage_is_a_sentence_and_2(arguments: list[str], sentence: str) -> None:
    result = speak(*arguments)
    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("hindrances", "arguments", "sentence"),
    [
        ({2: InternalError("It broke.")}, [], "It broke."),
        ({0: Overloaded("Full.", retry_after_s=999)}, [], "Full."),
        ({}, ["--voice", "nobody"], "There is no voice 'nobody'."),
        ({}, ["--speed", "9"], "`speed` has to be a number from 0.25 to 4, not '9.0'."),
        ({}, ["--model", "whisper-1"], "The model 'whisper-1' does transcription, not speech."),
        ({}, ["--format", "mp3", "--bit-rate", "1"], "The bit rate 1 is not possible here"),
    ],
)
def test_what_is_refused_is_a_sentence_and_1(
    hindrances: dict[int, Any], arguments: list[str], sentence: str, tmp_path: Path
) -> None:
    with server(hindrances) as (_, url):
        result = speak("--server", url, *arguments, "-o", tmp_path / "a.wav", SAID)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: {sentence}")
    assert not (tmp_path / "a.wav").exists()  # no half of a speech


def test_a_full_server_is_asked_again() -> None:
    with server({0: Overloaded("Full.", retry_after_s=0.1)}) as (gateway, url):

        class OnlyOnce(dict[int, Any]):
            def get(self, key: int, default: Any = None) -> Any:
                return self.pop(key, default)

        gateway.hindrances = OnlyOnce(gateway.hindrances)
        assert speak("--server", url, SAID).exit_code == 0
        assert len(gateway.speech_requests) == 2


def test_no_server_at_the_given_address() -> None:
    result = speak("--server", "http://127.0.0.1:9", SAID)
    assert result.exit_code == 1
    assert "The server at http://127.0.0.1:9 cannot be reached" in result.stderr


def test_keys_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with server(keys=["sesame"]) as (_, url):
        assert "This server wants an API key" in speak("--server", url, SAID).stderr
        monkeypatch.setenv("ANTIPHON_API_KEY", "sesame")
        monkeypatch.setenv("ANTIPHON_SERVER", url)
        assert speak(SAID).exit_code == 0
        assert antiphon("voices", "list").exit_code == 0
