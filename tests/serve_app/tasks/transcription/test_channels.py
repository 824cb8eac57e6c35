"""Every format tells who speaks, if channels were transcribed apart."""

from deployments.whisper.types import Transcript
from serve_app.tasks.transcription.channels import turns
from serve_app.tasks.transcription.formats import as_json, as_srt, as_text, as_verbose_json, as_vtt
from tests.serve_app.http.stub import CALL_SEGMENTS, CALL_TRACK, SEGMENTS, TEXT

CALL = Transcript("transcribe", "en", 0.98, 5.2, 6.0, CALL_SEGMENTS, CALL_TRACK)
APART = [{"channel": 0, "text": "Who is it? I am, too."}, {"channel": 1, "text": "It is <me>. And you?"}]
TURNS = "[channel 0] Who is it?\n[channel 1] It is <me>. And you?\n[channel 0] I am, too."


def test_text() -> None:
    assert as_text(CALL) == TURNS + "\n"
    assert turns(SEGMENTS) == TEXT
    assert turns(()) == ""


def test_a_text_that_grows_keeps_what_it_was() -> None:
    for count in range(len(CALL_SEGMENTS)):
        assert turns(CALL_SEGMENTS[: count + 1]).startswith(turns(CALL_SEGMENTS[:count]))


def test_subtitles() -> None:
    assert as_srt(CALL_SEGMENTS).split("\n\n")[1] == "2\n00:00:01,500 --> 00:00:03,000\n[channel 1] It is <me>."
    assert as_vtt(CALL_SEGMENTS).split("\n\n")[2] == (
        "00:00:01.500 --> 00:00:03.000\n<v channel 1>It is &lt;me&gt;."
    )


def test_json() -> None:
    body = as_json(CALL)
    assert body["text"] == "Who is it? It is <me>. And you? I am, too."
    assert body["channels"] == APART
    assert body["usage"] == {"type": "duration", "seconds": 11}  # 5.2 s in each of two channels


def test_verbose_json() -> None:
    body = as_verbose_json(CALL, words=True)
    assert [segment["channel"] for segment in body["segments"]] == [0, 1, 1, 0]
    assert body["channels"] == APART
    assert body["duration"] == 5.2
    assert body["audio_track"] == {
        "index": 1,
        "language": "en",
        "title": "the call",
        "codec": "opus",
        "sample_rate": 48_000,
        "channels": 2,
        "heard": [0, 1],
    }
    assert [word["start"] for word in body["words"]] == sorted(word["start"] for word in body["words"])
    assert [word["word"] for word in body["words"] if word["channel"] == 1] == ["It", "is", "<me>.", "And", "you?"]


def test_channels_in_which_nobody_speaks() -> None:
    silence = Transcript("transcribe", "en", 0.0, 5.2, 0.0, (), CALL_TRACK)
    assert as_text(silence) == "\n"
    assert as_json(silence)["channels"] == [{"channel": 0, "text": ""}, {"channel": 1, "text": ""}]
    assert as_srt(silence.segments) == ""
