"""Transcription by this process itself, through the same form, engine and formats as on a server."""

from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any, Self

from starlette.datastructures import FormData, UploadFile

from deployments.errors import InvalidRequest, ModelNotFound
from deployments.model_state import ModelState
from deployments.model_store import find_local, parse_source
from deployments.whisper.config import WhisperConfig
from deployments.whisper.deployment import WhisperReplica
from deployments.whisper.types import Finished, Progress, Segment, Task, Transcript
from media.fetch import FetchPolicy
from serve_app import transcripts
from serve_app.cli._transcription.inputs import AudioInput
from serve_app.cli._transcription.progress import ProgressBar
from serve_app.cli._transcription.results import Result
from serve_app.config import AppConfig, WhisperEntry
from serve_app.http.transcription_form import Output, parse_form
from serve_app.http.uploads import open_upload
from serve_app.models import ModelIndex
from serve_app.serve_config import load

DEFAULT_CONFIG = "configs/local.yaml"
PROJECT = Path(__file__).resolve().parents[3]
NO_LIMIT = {"queue_audio_s": 1e9, "queue_requests": 1_000_000}  # a queue protects servers from strangers


@dataclass(frozen=True, slots=True)
class Choice:
    """A model with the settings to run it, and the name to load if it loads on demand."""

    name: str
    config: WhisperConfig
    fetching: FetchPolicy
    on_demand: str | None = None


def choose(model: str | None, config: Path | None) -> Choice:
    """The model for ``--model``: an id or alias of the configuration, else a folder, ``hf://`` or ``s3://``.

    A model that is not in the configuration runs with the engine's defaults, unless ``config`` was named: then
    it runs with the settings of its default model. Raises ModelNotFound, InvalidRequest, ConfigProblems.
    """
    path = config or next((p for p in (Path(DEFAULT_CONFIG), PROJECT / DEFAULT_CONFIG) if p.is_file()), None)
    apps = [] if path is None else [app.config for app in load(path).applications]
    refusal = ModelNotFound(f"There is no {DEFAULT_CONFIG} here; name a --config, or a folder as --model.")
    for app in apps:
        try:
            found = ModelIndex.of(app).resolve("transcription", model)
        except ModelNotFound as error:
            refusal = error
        else:
            assert isinstance(found.entry, WhisperEntry)
            settings = found.entry.config
            return Choice(found.entry.id, settings.model_copy(update=NO_LIMIT), _policy(app), found.on_demand)
    if model is None or not ("://" in model or find_local(model)):
        raise refusal
    try:
        parse_source(model)
    except ValueError as error:
        raise InvalidRequest(f"The model {model!r} cannot be used: {error}.") from error
    base = ModelIndex.of(apps[0]).default("transcription") if config and apps else None
    settings = WhisperConfig.model_validate(
        {**(base.config.model_dump() if base else {}), **NO_LIMIT, "source": model, "load": "startup"}
    )
    return Choice(model, settings, _policy(apps[0]) if apps else FetchPolicy())


class LocalTranscriber:
    """One model, loaded on entering and unloaded on leaving."""

    def __init__(self, choice: Choice, bar: ProgressBar) -> None:
        self._choice, self._bar = choice, bar
        board = SimpleNamespace(report=SimpleNamespace(remote=self._report))
        self._replica = WhisperReplica(choice.name, choice.config, choice.fetching, board)

    async def __aenter__(self) -> Self:
        try:
            await self._replica.start()
        except BaseException:
            await self._replica.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._replica.close()

    async def transcribe(
        self, index: int, audio: AudioInput, task: Task, fields: Mapping[str, str], result: Result
    ) -> None:
        """Fill the result. Raises AntiphonError with a sentence."""
        items: list[tuple[str, Any]] = [*fields.items(), ("response_format", result.kind)]
        if audio.path is None:
            form, data = parse_form(FormData([*items, ("url", audio.url or "")]), task), None
        else:
            with audio.path.open("rb") as file:
                upload = UploadFile(file, size=audio.path.stat().st_size, filename=audio.path.name)
                form = parse_form(FormData([*items, ("file", upload)]), task)
                data = (await open_upload(upload)).data
        request = form.request.model_copy(update={"model": self._choice.on_demand})
        async with aclosing(self._replica.transcribe(request, data)) as parcels:
            async for event in (event async for parcel in parcels for event in parcel):
                match event:
                    case Segment():
                        result.add(event)
                    case Progress():
                        self._bar.update(index, event.processed, event.total)
                    case Finished():
                        result.document = _document(task, event, result, form.output)

    async def _report(self, model: str, replica: str, state: ModelState) -> None:
        """Takes the place of a server's board of states."""
        progress = "" if state.progress is None else f" {state.progress:.0%}"
        self._bar.say("" if state.ready else f"{state.phase.replace('_', ' ')}{progress}")


def _document(task: Task, end: Finished, result: Result, output: Output) -> dict[str, Any] | None:
    transcript = Transcript(
        task, end.language, end.language_probability, end.duration, end.speech_duration, tuple(result.segments)
    )
    match result.kind:
        case "json":
            return transcripts.as_json(transcript, logprobs=output.logprobs)
        case "verbose_json":
            return transcripts.as_verbose_json(transcript, segments=output.segments, words=output.words)
    return None


def _policy(app: AppConfig) -> FetchPolicy:
    return FetchPolicy(**app.fetch.model_dump())
