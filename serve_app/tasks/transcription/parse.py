"""A form of the transcription routes, as the request and the kind of answer that it asks for."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile

from deployments.errors import InvalidRequest
from deployments.whisper.types import DecodingOptions, Task, TranscriptionRequest, VadOptions
from serve_app.fields.form_values import Sent
from serve_app.fields.json_field import ignored_header
from serve_app.http.bodies.upload import content_type, file_name
from serve_app.tasks.transcription.fields import AUDIO, BY_NAME
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
class TranscriptionForm:
    """A parsed form. ``file`` is None if the request names a URL; ``ignored`` are names nobody knows."""

    request: TranscriptionRequest
    output: Output
    file: UploadFile | None
    ignored: tuple[str, ...]

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the response that the form brings about."""
        return ignored_header(self.ignored)


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


def parse_form(form: FormData, task: Task, request_id: str = "") -> TranscriptionForm:
    """What a form asks for. Only what the client sent is set: a model's own defaults fill in the rest.

    Raises InvalidRequest with the name of a field that is wrong or cannot be honoured.
    """
    texts, files, unknown = _sort(form)
    given = _Given()
    for name, sent in texts.items():
        for target, value in BY_NAME[name].values(sent).items():
            given.add(name, target, value)
    file = _audio(files, given.values.get("request.url"))
    output = _output(given)
    _check_vad(given)
    request = _build(given, task)
    if file is not None:
        request = request.model_copy(update={"file_name": file_name(file), "content_type": content_type(file)})
    return TranscriptionForm(request.model_copy(update={"request_id": request_id}), output, file, tuple(unknown))


def _sort(form: FormData) -> tuple[dict[str, Sent], list[UploadFile], Iterable[str]]:
    """Known texts by name, audio files, names nobody knows."""
    texts: dict[str, Sent] = {}
    files: list[UploadFile] = []
    unknown: dict[str, None] = {}
    for wire_name, value in form.multi_items():
        match = _NAME.fullmatch(wire_name)
        name, key = (match[1], match[2]) if match else (wire_name.partition("[")[0], None)
        if name == AUDIO.name:
            if not isinstance(value, UploadFile):
                raise InvalidRequest("`file` is text; send it as a file, with a file name.", param="file")
            files.append(value)
        elif name not in BY_NAME:
            unknown[wire_name] = None
        elif isinstance(value, UploadFile):
            raise InvalidRequest(f"`{name}` has to be text, not a file.", param=name)
        elif match is None:
            raise InvalidRequest(f"The field name {wire_name[:64]!r} cannot be read.", param=name)
        else:
            sent = texts.setdefault(name, Sent(name))
            if key is None or key == "" or key.isdecimal():
                sent.values.append(value)
                sent.listed = sent.listed or key is not None
            elif sent.parts.setdefault(key, value) != value:
                raise InvalidRequest(f"`{wire_name[:64]}` was sent twice; send it once.", param=name)
    return texts, files, unknown


def _audio(files: list[UploadFile], url: str | None) -> UploadFile | None:
    """The file to transcribe; browsers send an empty one without a name when none was chosen."""
    files = [file for file in files if file.size or file.filename]
    if len(files) + (url is not None) == 1:
        return files[0] if files else None
    if url is not None:
        raise InvalidRequest("Send either `file` or `url`, not both.", param="url")
    if files:
        raise InvalidRequest(f"`file` was sent {len(files)} times; send one file per request.", param="file")
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
        path = "/v1/audio/translations" if task == "transcribe" else "/v1/audio/transcriptions"
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
