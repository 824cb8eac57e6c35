"""The methods of all services. Serve's proxy knows them by their names alone, which are unique over services."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from grpc_health.v1.health_pb2 import HealthListResponse

from deployments.fish_speech.types import SpeechEvent
from deployments.text_classification.types import ClassificationRequest
from deployments.whisper.types import Task, TranscriptionEvent, collect
from serve_app.concurrency import LARGE_BYTES, run_off_loop
from serve_app.config.app import GrpcConfig
from serve_app.config.tasks import ModelTask
from serve_app.gateway.gateway import Gateway
from serve_app.grpc import classification, speech, transcription
from serve_app.grpc.call import Call, CallContext
from serve_app.grpc.gate import Gate, Request
from serve_app.grpc.health import WHOLE, statuses_message
from serve_app.grpc.protos import classification_pb2, hate_speech_pb2, speech_pb2, transcription_pb2
from serve_app.grpc.services import SERVICES
from serve_app.keys import ApiKeys
from serve_app.tasks.speech.encoding import encode_events, encode_file
from serve_app.tasks.speech.parsed import ParsedSpeech

MOST_TEXT_BYTES = 8 * 1024**2  # as over HTTP


class Servicer:
    """Answers calls through a gateway. Requests are bytes, as ``add_services`` asks a server to bring them."""

    def __init__(self, gateway: Gateway, config: GrpcConfig, keys: ApiKeys) -> None:
        self._gateway, self._gate = gateway, Gate(config, keys)

    async def runsync(self, request: bytes, grpc_context: CallContext) -> hate_speech_pb2.output:
        """Four scores of one text."""
        with Call("/service.runsync/runsync", grpc_context) as call:
            asked = await self._read_texts(call, request, hate_speech_pb2.data, classification.read_prompt)
            (scores,) = await self._gateway.classify(asked)
            if scores.truncated:  # the message itself has no room for it
                call.add_metadata([("truncated", "true")])
            return classification.four_scores(asked.texts[0], scores)
        return hate_speech_pb2.output()

    async def Classify(  # noqa: N802 - the protocol's name
        self, request: bytes, grpc_context: CallContext
    ) -> classification_pb2.ClassifyResponse:
        """Scores of texts."""
        with Call("/antiphon.v1.Classification/Classify", grpc_context) as call:
            kind = classification_pb2.ClassifyRequest
            asked = await self._read_texts(call, request, kind, classification.read_texts)
            model = self._model("classification", asked.model)
            scores = await self._gateway.classify(asked)
            return await run_off_loop(
                lambda: classification.all_scores(scores, model), large=len(request) > LARGE_BYTES
            )
        return classification_pb2.ClassifyResponse()

    async def Transcribe(  # noqa: N802
        self, request: bytes, grpc_context: CallContext
    ) -> transcription_pb2.TranscribeResponse:
        """A whole transcript."""
        with Call("/antiphon.v1.Transcription/Transcribe", grpc_context) as call:
            task, model, events = await self._transcription(call, request)
            async with aclosing(events):
                return transcription.response_of(await collect(task, events), model)
        return transcription_pb2.TranscribeResponse()

    async def StreamTranscription(  # noqa: N802
        self, request: bytes, grpc_context: CallContext
    ) -> AsyncGenerator[transcription_pb2.TranscriptionEvent, None]:
        """The events of a transcription; after a failure an empty one, which takes the status along."""
        with Call("/antiphon.v1.Transcription/StreamTranscription", grpc_context) as call:
            _, model, events = await self._transcription(call, request)
            async with aclosing(events):
                async for event in events:
                    yield transcription.event_of(event, model)
        if call.failed:
            yield transcription_pb2.TranscriptionEvent()

    async def Speak(  # noqa: N802
        self, request: bytes, grpc_context: CallContext
    ) -> speech_pb2.SpeakResponse:
        """A whole file of speech."""
        with Call("/antiphon.v1.Speech/Speak", grpc_context) as call:
            parsed, model, events = await self._speech(call, request, whole=True)
            return speech.response_of(await encode_file(events, parsed.container), model)
        return speech_pb2.SpeakResponse()

    async def StreamSpeech(  # noqa: N802
        self, request: bytes, grpc_context: CallContext
    ) -> AsyncGenerator[speech_pb2.SpeechEvent, None]:
        """The file as it is spoken; after a failure an empty event, which takes the status along."""
        with Call("/antiphon.v1.Speech/StreamSpeech", grpc_context) as call:
            parsed, model, events = await self._speech(call, request)
            messages = speech.Events(model)
            async with aclosing(encode_events(events, parsed.container)) as parts:
                async for part in parts:
                    for event in messages.of(part):
                        yield event
        if call.failed:
            yield speech_pb2.SpeechEvent()

    async def ListVoices(  # noqa: N802
        self, request: bytes, grpc_context: CallContext
    ) -> speech_pb2.ListVoicesResponse:
        """The voice library."""
        with Call("/antiphon.v1.Speech/ListVoices", grpc_context) as call:
            model = await self._gate.read(call, request, speech_pb2.ListVoicesRequest, speech.read_model)
            return speech.voices_of(await self._gateway.voices(model))
        return speech_pb2.ListVoicesResponse()

    async def List(self, request: bytes, grpc_context: CallContext) -> HealthListResponse:  # noqa: N802
        """What the health service of the proxy asks for: whether the models of every service are ready. Needs no
        key, and is not logged.
        """
        states = await self._gateway.states()
        ready: dict[ModelTask, bool] = {}
        for entry in self._gateway.models.entries:
            ready[entry.task] = ready.get(entry.task, True) and states[entry.id].ready
        services = {service.full_name: ready[task] for service, task in SERVICES.items() if task in ready}
        return statuses_message({WHOLE: all(ready.values()), **services})

    async def _read_texts(
        self,
        call: Call,
        request: bytes,
        kind: type[Request],
        read: Callable[[Request, str], ClassificationRequest],
    ) -> ClassificationRequest:
        return await self._gate.read(call, request, kind, read, most_bytes=MOST_TEXT_BYTES)

    async def _transcription(
        self, call: Call, request: bytes
    ) -> tuple[Task, str, AsyncGenerator[TranscriptionEvent, None]]:
        """A transcription that has been asked for, the model that answers, and the events to come."""
        kind = transcription_pb2.TranscribeRequest
        parsed, upload = await self._gate.read(call, request, kind, transcription.read_request)
        call.add_metadata((name.lower(), value) for name, value in parsed.headers.items())
        model = self._model("transcription", parsed.request.model)
        return parsed.request.task, model, self._gateway.transcribe(parsed.request, upload)

    async def _speech(
        self, call: Call, request: bytes, *, whole: bool = False
    ) -> tuple[ParsedSpeech, str, AsyncGenerator[SpeechEvent, None]]:
        """Speech that has been asked for, the model that answers, and the events to come."""
        parsed = await self._gate.read(call, request, speech_pb2.SpeakRequest, speech.read_request)
        model = self._model("speech", parsed.request.model)
        asked = parsed.request.model_copy(update={"whole": whole})
        return parsed, model, self._gateway.speak(asked, parsed.references)

    def _model(self, task: ModelTask, name: str | None) -> str:
        """The model that answers to a name, as clients know it."""
        resolved = self._gateway.models.resolve(task, name)
        return resolved.on_demand or resolved.entry.id
