"""A transcript as text, as subtitles, and as the objects of the OpenAI API."""

import html
import math
import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from deployments.whisper.sound.choice import HeardTrack
from deployments.whisper.types import Segment, Transcript
from serve_app.tasks.transcription.channels import (
    channel_name,
    channel_objects,
    channel_of,
    sound_objects,
    turns,
)
from serve_app.tasks.transcription.languages import english_name

TranscriptFormat = Literal["json", "text", "srt", "verbose_json", "vtt"]
LARGEST_NUMBER = 1e9
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")


def as_text(transcript: Transcript) -> str:
    """The text alone, ended by a newline. Of channels that were transcribed apart a line for each turn."""
    return turns(transcript.segments) + "\n"


def as_srt(segments: Iterable[Segment]) -> str:
    """SubRip subtitles, one cue per segment that has text. An arrow within a text loses its shaft."""
    cues = (
        f"{_time(start, ',')} --> {_time(end, ',')}\n{_bracketed(channel)}{re.sub('--+>', '->', text)}\n"
        for start, end, channel, text in _cues(segments)
    )
    return "\n".join(f"{number}\n{cue}" for number, cue in enumerate(cues, 1))


def as_vtt(segments: Iterable[Segment]) -> str:
    """WebVTT subtitles, one cue per segment that has text, which is escaped as the format asks."""
    cues = (
        f"{_time(start, '.')} --> {_time(end, '.')}\n{_voice(channel)}{html.escape(text, quote=False)}\n"
        for start, end, channel, text in _cues(segments)
    )
    return "\n".join(["WEBVTT\n", *cues])


def as_json(transcript: Transcript, *, logprobs: bool = False) -> dict[str, Any]:
    """The ``json`` format: text, spoken languages, usage; the texts of channels that were transcribed apart; if
    wanted, the tokens' log-probabilities.
    """
    body: dict[str, Any] = {"text": transcript.text, "languages": language_objects(transcript.segments)}
    if channels := channel_objects(transcript.segments, transcript.track):
        body["channels"] = channels
    if logprobs:
        body["logprobs"] = logprob_objects(transcript.segments)
    if classification := classification_list(transcript.segments):
        body["classification"] = classification
    return body | {"usage": usage_object(transcript.duration, transcript.track)}


def as_verbose_json(transcript: Transcript, *, segments: bool = True, words: bool = False) -> dict[str, Any]:
    """The ``verbose_json`` format, with segments, words or both. Times and the duration are in seconds."""
    body: dict[str, Any] = {
        "task": transcript.task,
        "language": "english" if transcript.task == "translate" else english_name(transcript.language),
        "duration": _seconds(transcript.duration),
        "text": transcript.text,
    }
    if segments:
        body["segments"] = [segment_object(s, number) for number, s in enumerate(transcript.segments)]
    if words:
        listed = [word for s in transcript.segments for word in word_objects(s)]
        apart = any(s.channel is not None for s in transcript.segments)
        body["words"] = sorted(listed, key=lambda word: word["start"]) if apart else listed
    return {
        **body,
        **sound_objects(transcript.segments, transcript.track),
        "languages": language_objects(transcript.segments),
        "usage": usage_object(transcript.duration, transcript.track),
    }


def segment_object(segment: Segment, number: int) -> dict[str, Any]:
    """One segment of ``verbose_json``; ``number`` counts from 0."""
    classification = {"classification": classification_object(segment)} if segment.classification else {}
    return {
        "id": number,
        "seek": segment.seek,
        "start": _seconds(segment.start),
        "end": _seconds(segment.end),
        "text": segment.text,
        "tokens": list(segment.tokens),
        "temperature": _number(segment.temperature),
        "avg_logprob": _number(segment.avg_logprob),
        "compression_ratio": _number(segment.compression_ratio),
        "no_speech_prob": _number(segment.no_speech_prob),
        **channel_of(segment),
        **classification,
    }


def classification_object(segment: Segment) -> dict[str, float]:
    """A classifier's scores of a segment, by label; empty without a classifier or without text."""
    return {label: _number(score) for label, score in (segment.classification or {}).items()}


def classification_list(segments: Iterable[Segment]) -> list[dict[str, float]]:
    """The same for every segment that has scores, with its times."""
    return [
        {
            "start": _seconds(segment.start),
            "end": _seconds(segment.end),
            **channel_of(segment),
            **classification_object(segment),
        }
        for segment in segments
        if segment.classification
    ]


def word_objects(segment: Segment) -> list[dict[str, Any]]:
    """The words of a segment as ``verbose_json`` has them: without the space in front."""
    return [
        {
            "word": word.word.strip(),
            "start": _seconds(word.start),
            "end": _seconds(word.end),
            **channel_of(segment),
        }
        for word in segment.words
    ]


def logprob_objects(segments: Iterable[Segment]) -> list[dict[str, Any]]:
    """Every text token with its natural log-probability and its UTF-8 bytes."""
    return [
        {"token": entry.token, "logprob": _number(entry.logprob), "bytes": list(entry.bytes)}
        for segment in segments
        for entry in segment.token_logprobs
    ]


def language_objects(segments: Iterable[Segment]) -> list[dict[str, str]]:
    """The spoken languages in order of appearance, none if nothing was said."""
    return [{"code": code} for code in dict.fromkeys(segment.language for segment in segments)]


def usage_object(duration: float, track: HeardTrack | None = None) -> dict[str, Any]:
    """What the request used: begun seconds of audio, of all channels that were transcribed apart together."""
    channels = len(track.heard) if track is not None and track.apart else 1
    return {"type": "duration", "seconds": math.ceil(_seconds(duration * channels))}


class TextDeltas:
    """Turns segment texts into deltas that, put together, are exactly the text of the whole transcript.

    The whole is stripped, so blanks at the end of one delta wait for the next one that has something to say.
    """

    def __init__(self) -> None:
        self._said: list[str] = []
        self._blanks = ""

    def add(self, text: str) -> str:
        """The delta for the next segment's text; empty if the text is blank."""
        text = self._blanks + text if self._said else text.lstrip()
        delta = text.rstrip()
        self._blanks = text[len(delta) :]
        if delta:
            self._said.append(delta)
        return delta

    @property
    def text(self) -> str:
        """All deltas so far."""
        return "".join(self._said)


def _cues(segments: Iterable[Segment]) -> Iterator[tuple[int, int, int | None, str]]:
    """Start and end in milliseconds, channel, and a single line of text. Players refuse cues without a length, and
    WebVTT wants them in order of their starts, which they are not where clips overlap.
    """
    for segment in sorted(segments, key=lambda segment: _seconds(segment.start)):
        text = " ".join(_CONTROL.sub("", segment.text).split())
        if text:
            start = round(_seconds(segment.start) * 1000)
            yield start, max(start + 1, round(_seconds(segment.end) * 1000)), segment.channel, text


def _bracketed(channel: int | None) -> str:
    return "" if channel is None else f"[{channel_name(channel)}] "


def _voice(channel: int | None) -> str:
    return "" if channel is None else f"<v {channel_name(channel)}>"


def _time(milliseconds: int, point: str) -> str:
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{milliseconds:03}"


def _seconds(value: float) -> float:
    return round(max(0.0, _number(value)), 3)


def _number(value: float) -> float:
    """JSON has neither infinities nor NaN, and a model in trouble has both."""
    value = float(value)
    return 0.0 if math.isnan(value) else min(max(value, -LARGEST_NUMBER), LARGEST_NUMBER)
