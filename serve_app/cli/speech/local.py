"""Speech by this process itself, through the same fields and replica as on a server."""

from collections.abc import Mapping
from contextlib import AsyncExitStack, aclosing
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

from deployments.calls import Calls
from deployments.fish_speech.config import FishSpeechConfig
from deployments.fish_speech.deployment import FishSpeechReplica
from deployments.fish_speech.types import Audio, Finished, Started
from serve_app.cli import local as _in_process
from serve_app.cli.local import Choice, Kind, LocalModel, board
from serve_app.cli.progress import Bar
from serve_app.cli.speech.sound import SpeechWriter, Spoken
from serve_app.config.models import FishSpeechEntry, TextClassificationEntry
from serve_app.tasks.speech.parse import parse_speech, with_known_voice

if TYPE_CHECKING:
    from deployments.text_classification.deployment import TextClassificationReplica

NO_LIMIT = {"queue_chars": 1_000_000_000, "queue_requests": 1_000_000, "max_text_chars": 1_000_000}
SPEECH = Kind("speech", FishSpeechConfig, NO_LIMIT)


def choose(model: str | None, config: Path | None) -> Choice[FishSpeechConfig]:
    """The model for ``--model``. Raises ModelNotFound, InvalidRequest, ConfigProblems."""
    return _in_process.choose(SPEECH, model, config)


class LocalSpeaker(LocalModel[FishSpeechReplica]):
    """One model and its classifier, if it has one, loaded on entering and unloaded on leaving."""

    def __init__(self, choice: Choice[FishSpeechConfig], bar: Bar) -> None:
        entry = _entry(choice)
        self._classifier = _classifier(choice, entry)
        calls = None if self._classifier is None else _calls(self._classifier)
        refuse = entry.refuse if entry else None
        super().__init__(FishSpeechReplica(choice.name, choice.config, board(bar), calls, refuse))
        self._choice = choice

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            if self._classifier is not None:
                await stack.enter_async_context(LocalModel(self._classifier))
            await stack.enter_async_context(LocalModel(self._replica))
            self._loaded = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._loaded.aclose()

    async def speak(self, body: Mapping[str, Any], writer: SpeechWriter) -> Spoken:
        """Give all samples to ``writer``. Raises AntiphonError with a sentence."""
        parsed = parse_speech({**body, "response_format": "wav"})
        parsed = await with_known_voice(parsed, partial(self._replica.voice, None))
        request = parsed.request.model_copy(update={"model": self._choice.on_demand})
        request = request.seeded()
        rate = seed = 0
        audios = [upload.data for upload in parsed.references]
        async with aclosing(self._replica.speak(request, *audios)) as parcels:
            async for event in (event async for parcel in parcels for event in parcel):
                match event:
                    case Started():
                        rate, seed = event.sample_rate, event.seed
                    case Audio():
                        writer.add(event.samples, rate)
                    case Finished():
                        return Spoken(seed, event.frames)
        raise RuntimeError("the speech ended without its last event")


def _entry(choice: Choice[FishSpeechConfig]) -> FishSpeechEntry | None:
    entries = {entry.id: entry for entry in choice.app.models} if choice.app else {}
    found = entries.get(choice.name)
    return found if isinstance(found, FishSpeechEntry) else None


def _classifier(
    choice: Choice[FishSpeechConfig], entry: FishSpeechEntry | None
) -> "TextClassificationReplica | None":
    """The replica of the classifier that the model's entry names."""
    entries = {each.id: each for each in choice.app.models} if choice.app else {}
    used = entries.get(entry.classifier or "") if entry else None
    if not isinstance(used, TextClassificationEntry):
        return None
    from deployments.text_classification.deployment import TextClassificationReplica

    return TextClassificationReplica(used.id, used.config)


def _calls(classifier: "TextClassificationReplica") -> Calls:
    handle: Any = SimpleNamespace(label_texts=SimpleNamespace(remote=classifier.label_texts))
    return Calls(handle, "classifier", retries=0)
