"""Every contract of transcription with the shipped model, whose words are known."""

import base64
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import ivrit

from deployments.whisper.config import WhisperConfig
from deployments.whisper.deployment import WhisperReplica
from deployments.whisper.types import TranscriptionEvent, TranscriptionRequest
from media.fetch import FetchPolicy
from serve_app.contracts.contract import JobContext
from serve_app.fields.audio import Upload
from tests.deployments.whisper.support import SAMPLES
from tests.serve_app.contracts.ivrit.client import decoded
from tests.serve_app.contracts.support import output_of
from tests.serve_app.http.stub import StubGateway, app_of

WORDS = "two two three seven five"
BLOB = base64.b64encode((SAMPLES / "testset" / "utt01.wav").read_bytes()).decode()


class Served(StubGateway):
    """The sample model in this process."""

    def __init__(self, replica: WhisperReplica) -> None:
        super().__init__()
        self._replica = replica

    async def transcribe(
        self, request: TranscriptionRequest, upload: Upload | None = None
    ) -> AsyncGenerator[TranscriptionEvent, None]:
        self.models.resolve("transcription", request.model)
        audio = None if upload is None else upload.data
        parcels = self._replica.transcribe(request.model_copy(update={"model": None}), audio)
        async with aclosing(parcels):
            async for parcel in parcels:
                for event in parcel:
                    yield event


@contextlib.asynccontextmanager
async def served() -> AsyncIterator[JobContext]:
    engine = {"device": "cpu", "compute_type": "int8", "workers": 1, "threads": 1}
    config = WhisperConfig.model_validate({"source": str(SAMPLES / "model"), "engine": engine})
    replica = WhisperReplica("sample-asr", config, FetchPolicy())
    await replica.start()
    try:
        gateway = Served(replica)
        yield JobContext("job-1", gateway, app_of(gateway))
    finally:
        await replica.close()


async def test_the_words_that_were_spoken() -> None:
    async with served() as context:
        arguments = {"blob": [BLOB, "bm8gc291bmQ=", BLOB], "beam_size": 2, "condition_on_previous_text": True}
        output = await output_of({"model": "sample-asr", "streaming": True, "transcribe_args": arguments}, context)
        spoken = {i: [e for (e,) in output if e["index"] == i and e["type"] != "progress"] for i in range(3)}
        for good in (0, 2):
            (segment,) = decoded([[entry] for entry in spoken[good]])
            assert segment.text.strip() == WORDS
            assert [word.word.strip() for word in segment.words] == WORDS.split()
            assert isinstance(segment.words[0], ivrit.types.Word)
            assert segment.extra_data["language"] == "en"
        assert [entry["type"] for entry in spoken[1]] == ["error"]

        whole = await output_of({"audio_base64": BLOB, "translate": True, "word_timestamps": True}, context)
        assert whole["transcription"].strip() == whole["translation"].strip() == WORDS
        assert [word["word"].strip() for word in whole["word_timestamps"]] == WORDS.split()

        body = {"file": {"data": BLOB, "name": "utt01.wav"}, "response_format": "text"}
        text = await output_of({"openai_route": "/v1/audio/transcriptions", "openai_input": body}, context)
        assert text == WORDS + "\n"
