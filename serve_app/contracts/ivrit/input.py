"""What an input of the ivrit worker asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from deployments.errors import InvalidRequest
from deployments.whisper.types import Task
from serve_app.contracts.audio import JobAudio, audio_at, audio_in
from serve_app.contracts.contract import JobContext, JobInput
from serve_app.contracts.options import OPTIONS, model_name
from serve_app.fields.form_values import FALSE, TRUE, quoted

ENGINES = ("faster-whisper", "stable-whisper")
MAX_FILES = 1_000
NO_AUDIO = "transcribe_args must contain either 'blob' or 'url' field."
# What ivrit's own worker takes and does nothing with, or what is read here by itself.
SWALLOWED = frozenset(
    {
        *("blob", "url", "path", "task", "diarize", "output_options"),
        *("diarization_args", "log_progress", "on_progress", "stream", "verbose", "webhook_url", "recording_id"),
    }
)


@dataclass(frozen=True, slots=True)
class IvritJob:
    """A parsed input. ``sources`` are addresses or base64, as ``kind`` says; not yet looked at.

    ``batch``: they came as a list. ``older``: the input has the shape of the worker before August 2025.
    ``words`` and ``extra`` say what segments carry; ``ignored`` are names that nobody knows.
    """

    kind: Literal["blob", "url"]
    sources: tuple[Any, ...]
    batch: bool
    streaming: bool
    older: bool
    model: str | None
    task: Task
    options: Mapping[str, Any]
    words: bool = True
    extra: bool = True
    ignored: tuple[str, ...] = ()

    async def audio(self, index: int, limit: int) -> JobAudio:
        """One of the sources, at most ``limit`` bytes. Raises InvalidRequest, ForbiddenUrl, PayloadTooLarge."""
        source = self.sources[index]
        return audio_at(source, "url") if self.kind == "url" else await audio_in(source, "blob", limit)


def is_streaming(job_input: JobInput) -> bool:
    """Whether segments are wanted one by one. Never raises."""
    return flag(job_input.get("streaming"))


def is_older(job_input: JobInput) -> bool:
    """Whether an input has the audio beside the other keys, instead of ``transcribe_args``. Never raises."""
    return job_input.get("transcribe_args") is None and any(
        job_input.get(key) is not None for key in ("data", "url")
    )


def read_input(job_input: JobInput, context: JobContext) -> IvritJob:
    """The job. Raises InvalidRequest: what ivrit's worker refuses too, in its words."""
    engine = job_input.get("engine")
    if engine is not None and engine not in ENGINES:
        raise InvalidRequest(
            f"engine should be 'faster-whisper' or 'stable-whisper', but is {_shown(engine)} instead.",
            param="engine",
        )
    older = is_older(job_input)
    model = model_name(job_input.get("model"), context)
    if model is None and not older:
        raise InvalidRequest("Model not provided.", param="model")
    arguments = _older_arguments(job_input) if older else job_input.get("transcribe_args")
    if not arguments:
        raise InvalidRequest("transcribe_args field not provided.", param="transcribe_args")
    if not isinstance(arguments, Mapping):
        raise InvalidRequest("transcribe_args has to be an object.", param="transcribe_args")
    kind, source = _source(arguments)
    batch = isinstance(source, list)
    if batch and older:
        raise InvalidRequest("Send a list of files inside `transcribe_args`.", param="data")
    if batch and not source:
        raise InvalidRequest(f"Empty source list provided for '{kind}'.", param=kind)
    if batch and len(source) > MAX_FILES:
        raise InvalidRequest(f"`{kind}` lists more than {MAX_FILES} files; send several jobs.", param=kind)
    _check_speakers(arguments)
    wanted = _output_options(arguments)
    words = flag(arguments.get("word_timestamps"), default=wanted[0])
    options = {name: _as_listed(name, arguments[name]) for name in OPTIONS & arguments.keys()}
    return IvritJob(
        kind=kind,
        sources=tuple(source) if batch else (source,),
        batch=batch,
        streaming=is_streaming(job_input),
        older=older,
        model=model,
        task=_task(arguments),
        options={**options, "word_timestamps": words},
        words=words,
        extra=wanted[1],
        ignored=tuple(name for name in arguments if name not in OPTIONS | SWALLOWED),
    )


def flag(value: object, default: bool = False) -> bool:
    """A truth, also as the text that a form or a gateway makes of it. Never raises."""
    if value is None:
        return default
    if isinstance(value, str):
        word = value.strip().lower()
        return word in TRUE if word in TRUE | FALSE else default
    return bool(value)


def _older_arguments(job_input: JobInput) -> Mapping[str, Any]:
    data, url = job_input.get("data"), job_input.get("url")
    if job_input.get("type") == "url" and url is not None:
        data = None
    if job_input.get("type") == "blob" and data is not None:
        url = None
    return {"blob": data, "url": url, "language": job_input.get("language")}


def _source(arguments: Mapping[str, Any]) -> tuple[Literal["blob", "url"], Any]:
    sent = [name for name in ("path", "url", "blob") if arguments.get(name) is not None]
    if len(sent) > 1:
        raise InvalidRequest(
            "Cannot specify multiple input sources - path, url, and blob are mutually exclusive.", param=sent[1]
        )
    if sent == ["path"]:
        raise InvalidRequest(
            "`path` would be a file of the server, which jobs cannot read; send its bytes as `blob`, or a `url`.",
            param="path",
        )
    if not sent:
        raise InvalidRequest(NO_AUDIO, param="transcribe_args")
    kind: Literal["blob", "url"] = "url" if sent == ["url"] else "blob"
    return kind, arguments[kind]


def _check_speakers(arguments: Mapping[str, Any]) -> None:
    wanted = arguments.get("diarize")
    if flag(wanted, default=bool(wanted)):
        raise InvalidRequest(
            "`diarize` cannot be honoured: speakers are not told apart here. Leave it out, or send false; "
            "`channels`: `split` tells channels apart.",
            param="diarize",
        )


def _output_options(arguments: Mapping[str, Any]) -> tuple[bool, bool]:
    """Whether segments carry words, and the rest of what is known about them."""
    wanted = arguments.get("output_options")
    if wanted is None:
        return True, True
    if not isinstance(wanted, Mapping):
        raise InvalidRequest(
            "`output_options` has to be an object with `word_timestamps` and `extra_data`.", param="output_options"
        )
    return flag(wanted.get("word_timestamps"), default=True), flag(wanted.get("extra_data"), default=True)


def _task(arguments: Mapping[str, Any]) -> Task:
    match arguments.get("task"):
        case None | "transcribe":
            return "transcribe"
        case "translate":
            return "translate"
    raise InvalidRequest("`task` has to be transcribe or translate.", param="task")


def _as_listed(name: str, value: Any) -> Any:
    """A lone temperature is meant as faster-whisper means it: without the ladder that HTTP's form begins at 0."""
    lone = name == "temperature" and isinstance(value, int | float)
    return [value] if lone else value


def _shown(value: object) -> str:
    return quoted(value)[1:-1] if isinstance(value, str) else "no text"
