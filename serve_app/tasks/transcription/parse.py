"""The fields of a transcription, as the request and the kind of answer that they ask for."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Self

from pydantic import ValidationError

from deployments.errors import InvalidRequest
from deployments.whisper.types import DecodingOptions, Task, TranscriptionRequest, VadOptions
from serve_app.fields.audio import content_type, file_name
from serve_app.fields.form_values import Sent
from serve_app.fields.json_field import ignored_header
from serve_app.tasks.transcription.fields import AUDIO, BY_NAME, TRANSCRIPTION_PATHS
from serve_app.tasks.transcription.formats import TranscriptFormat

_NAME = re.compile(r"([^\[\]]+)(?:\[([^\[\]]*)\])?")


@dataclass(frozen=True, slots=True)
class Output:
    """The kind of answer: its format, whether as a stream, and what ``verbose_json`` lists."""

    response_format: TranscriptFormat = "json"
    stream: bool = False
    segments: bool = True
    words: bool = False
    logprobs: bool = False


@dataclass(frozen=True, slots=True)
class ParsedTranscription:
    """What was asked for. ``ignored`` are names that nobody here knows."""

    request: TranscriptionRequest
    output: Output
    ignored: tuple[str, ...]

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the response that the fields bring about."""
        return ignored_header(self.ignored)

    def with_file(self, name: str | None, kind: str | None) -> Self:
        """The same for an audio file with this name and content type, as the client sent them."""
        named = {"file_name": file_name(name), "content_type": content_type(kind)}
        return replace(self, request=self.request.model_copy(update=named))


@dataclass(slots=True)
class _Given:
    """Values by target, with the name under which each was sent."""

    values: dict[str, Any] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, target: str, value: Any) -> None:
        if target in self.values and self.values[target] != value:
            raise InvalidRequest(
                f"`{self.names[target]}` and `{name}` contradict each other; send only one of them.",
                param=name,
            )
        self.values[target] = value
        self.names[target] = name

    def section(self, name: str) -> dict[str, Any]:
        prefix = f"{name}."
        return {key.removeprefix(prefix): v for key, v in self.values.items() if key.startswith(prefix)}

    def name_of(self, section: str) -> str | None:
        """Name of any field sent for a section."""
        return next((name for target, name in self.names.items() if target.startswith(f"{section}.")), None)


def parse_form(
    texts: Iterable[tuple[str, str]], task: Task, *, files: int, request_id: str = ""
) -> ParsedTranscription:
    """What pairs of name and text ask for, with so many ``files`` of audio beside them, of which one is allowed.

    Only what the client sent is set: a model's own defaults fill in the rest. Raises InvalidRequest with the name
    of a field that is wrong or cannot be honoured.
    """
    known, unknown = _sort(texts)
    given = _Given()
    for name, sent in known.items():
        for target, value in BY_NAME[name].values(sent).items():
            given.add(name, target, value)
    _check_audio(files=files, url=given.values.get("request.url"))
    output = _output(given)
    _check_vad(given)
    request = _build(given, task).model_copy(update={"request_id": request_id})
    return ParsedTranscription(request, output, tuple(unknown))


def _sort(texts: Iterable[tuple[str, str]]) -> tuple[dict[str, Sent], Iterable[str]]:
    """Known texts by name, and the names that nobody knows."""
    known: dict[str, Sent] = {}
    unknown: dict[str, None] = {}
    for wire_name, text in texts:
        match = _NAME.fullmatch(wire_name)
        name, key = (match[1], match[2]) if match else (wire_name.partition("[")[0], None)
        if name == AUDIO.name:
            raise InvalidRequest("`file` is text; send it as a file, with a file name.", param="file")
        if name not in BY_NAME:
            unknown[wire_name] = None
        elif match is None:
            raise InvalidRequest(f"The field name {wire_name[:64]!r} cannot be read.", param=name)
        else:
            sent = known.setdefault(name, Sent(name))
            if key is None or key == "" or key.isdecimal():
                sent.values.append(text)
                sent.listed = sent.listed or key is not None
            elif sent.parts.setdefault(key, text) != text:
                raise InvalidRequest(f"`{wire_name[:64]}` was sent twice; send it once.", param=name)
    return known, unknown


def _check_audio(*, files: int, url: str | None) -> None:
    if files and url is not None:
        raise InvalidRequest("Send either `file` or `url`, not both.", param="url")
    if files > 1:
        raise InvalidRequest(f"`file` was sent {files} times; send one file per request.", param="file")
    if not files and url is None:
        raise InvalidRequest("The audio is missing: send it as `file`, or its address as `url`.", param="file")


def _output(given: _Given) -> Output:
    sent = given.section("output")
    kind: TranscriptFormat = sent.get("response_format", "json")
    granularities = sent.get("granularities", frozenset({"segment"}))
    words = "word" in granularities or given.values.get("decoding.word_timestamps", False)
    logprobs = "decoding.token_logprobs" in given.values
    stream: bool = sent.get("stream", False)
    if "word" in granularities and kind != "verbose_json":
        raise InvalidRequest(
            f"`timestamp_granularities` with word needs response_format verbose_json, not {kind}.",
            param="timestamp_granularities",
        )
    if logprobs and kind != "json":
        raise InvalidRequest(f"`include` with logprobs needs response_format json, not {kind}.", param="include")
    if stream and kind in ("srt", "vtt"):
        raise InvalidRequest(
            f"`stream` does not go with response_format {kind}; use json, text or verbose_json.",
            param="stream",
        )
    return Output(kind, stream, "segment" in granularities, words, logprobs)


def _check_vad(given: _Given) -> None:
    option = given.name_of("vad")
    filtering = given.values.get("vad_filter")
    if option is not None and filtering is False:
        raise InvalidRequest(f"`{option}` does nothing while `vad_filter` is false; send only one.", param=option)
    if "request.clips" in given.values and (option is not None or filtering):
        name = option or given.names["vad_filter"]
        raise InvalidRequest(
            f"`{name}` does nothing beside `clip_timestamps`, which replaces voice activity detection.",
            param=name,
        )
    if "request.language" in given.values and "request.languages" in given.values:
        raise InvalidRequest("Send either `language` or `languages`, not both.", param="languages")


def _build(given: _Given, task: Task) -> TranscriptionRequest:
    asked: dict[str, Any] = given.section("request")
    if asked.get("task", task) != task:
        path = TRANSCRIPTION_PATHS[asked["task"]]
        raise InvalidRequest(f"To {asked['task']}, send the request to {path}.", param="task")
    try:
        if decoding := given.section("decoding"):
            asked["decoding"] = DecodingOptions(**decoding)
        if given.values.get("vad_filter") is False:
            asked["vad"] = None
        elif (vad := given.section("vad")) or "vad_filter" in given.values:
            asked["vad"] = VadOptions(**vad)
        return TranscriptionRequest(**{**asked, "task": task})
    except ValidationError as error:  # the table's schemas come from these models, so this is for what they miss
        name = str(error.errors()[0]["loc"][0]) if error.errors()[0]["loc"] else None
        raise InvalidRequest(f"The value of `{name}` is not allowed.", param=name) from error
