"""Speech in this process, with the fields and gateway of a server."""

from collections.abc import Mapping
from contextlib import aclosing
from functools import partial
from typing import Any

from deployments.fish_speech.types import Audio, Finished, Started
from serve_app.cli.local import LocalClient, ModelKind
from serve_app.cli.progress import Bar
from serve_app.cli.servers import ModelOptions
from serve_app.cli.speech.sound import SpeechWriter, Spoken
from serve_app.config.models import FishSpeechEntry
from serve_app.tasks.speech.parse import parse_speech, with_known_voice

NO_LIMIT = {"queue_chars": 1_000_000_000, "queue_requests": 1_000_000, "max_text_chars": 1_000_000}
SPEECH = ModelKind(FishSpeechEntry, "fish_speech", NO_LIMIT)


class LocalSpeaker(LocalClient):
    """Asks one model to speak."""

    def __init__(self, options: ModelOptions, bar: Bar) -> None:
        super().__init__(SPEECH, options, bar)

    async def speak(self, body: Mapping[str, Any], writer: SpeechWriter) -> Spoken:
        """Give all samples to ``writer``. Raises AntiphonError with a sentence."""
        parsed = parse_speech({**body, "response_format": "wav"})
        parsed = await with_known_voice(parsed, partial(self.gateway.voice, model=self.model))
        request = parsed.request.model_copy(update={"model": self.model})
        rate = seed = 0
        async with aclosing(self.gateway.speak(request, parsed.references)) as events:
            async for event in events:
                match event:
                    case Started():
                        rate, seed = event.sample_rate, event.seed
                    case Audio():
                        writer.add(event.samples, rate)
                    case Finished():
                        return Spoken(seed, event.frames, event.cut)
        raise RuntimeError("the speech ended without its last event")
