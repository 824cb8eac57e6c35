"""Audio in the input of a job: bytes as base64."""

import base64
from collections.abc import Callable
from typing import Any

import pytest

from deployments.errors import InvalidRequest, PayloadTooLarge
from serve_app.contracts.audio import audio_in
from tests.serve_app.contracts.support import context_of, output_of
from tests.serve_app.http.speaking import SpeakingGateway


@pytest.mark.parametrize("text", ["UklGRg", "data:audio/wav;base64,UklG\r\nRg==", "UklGRg=="])
async def test_bytes(text: str) -> None:
    audio = await audio_in(text, "blob", 100)
    assert audio.upload is not None
    assert audio.upload.data.tobytes() == b"RIFF"
    assert audio.content_type == ("audio/wav" if "data:" in text else None)


@pytest.mark.parametrize("text", ["=", "AAAAA", "AA=A", "é", "data:audio/wav;base64 UklGRg=="])
async def test_what_is_no_base64(text: str) -> None:
    with pytest.raises(InvalidRequest, match="Failed to decode blob data: it is not valid base64"):
        await audio_in(text, "blob", 100)


async def test_too_much() -> None:
    for size in range(8):
        text = base64.b64encode(b"a" * size).decode()
        for spelled in (text, text.rstrip("=")):
            if 0 < size <= 4:
                assert await audio_in(spelled, "blob", 4)
            elif size > 6:
                with pytest.raises(PayloadTooLarge):
                    await audio_in(spelled, "blob", 4)


SOUND = b"RIFF\xfb\xef\xbe\xff"
SPELLINGS = (base64.b64encode(SOUND).decode().rstrip("="), base64.urlsafe_b64encode(SOUND).decode())
INPUTS: list[Callable[[str], dict[str, Any]]] = [
    lambda audio: {"model": "large", "transcribe_args": {"blob": audio}},
    lambda audio: {"type": "blob", "data": audio},
    lambda audio: {"audio_base64": audio},
    lambda audio: {"openai_route": "v1/audio/transcriptions", "openai_input": {"file": audio}},
    lambda audio: {"openai_route": "v1/audio/speech", "openai_input": {"input": "Hi.", "references": of(audio)}},
    lambda audio: {"text": "Hi.", "references": of(audio)},
]


def of(audio: str) -> list[dict[str, str]]:
    """A recording of a voice."""
    return [{"audio": audio, "text": "Hello."}]


@pytest.mark.parametrize("spelled", SPELLINGS)
@pytest.mark.parametrize("made", INPUTS)
async def test_every_contract_takes_the_same_spellings(made: Any, spelled: str) -> None:
    gateway = SpeakingGateway()
    await output_of(made(spelled), context_of(gateway), "speech" if "text" in made("") else "transcription")
    heard = [upload.data.tobytes() for upload in gateway.uploads if upload]
    assert [*gateway.references, heard][0] == [SOUND]
