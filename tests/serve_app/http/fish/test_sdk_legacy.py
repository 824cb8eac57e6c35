"""The older interface of ``fish-audio-sdk`` against the application behind a real server."""

import asyncio

import pytest
from fish_audio_sdk import ASRRequest, HttpCodeErr, Prosody, ReferenceAudio, Session, TTSRequest

from deployments.errors import Overloaded
from tests.serve_app.http.fish.conftest import Server
from tests.serve_app.http.fish.support import KEY, WAV, voice
from tests.serve_app.http.fish.test_sdk import HELLO, heard
from tests.serve_app.http.server import wait_until
from tests.serve_app.http.speech_stub import CHUNK
from tests.serve_app.http.stub import TEXT


def test_speech(legacy: Session, server: Server) -> None:
    heard(b"".join(legacy.tts(TTSRequest(text=HELLO))))
    request = server.gateway.spoken
    assert (request.model, request.sampling.max_new_tokens) == ("speech-1.5", 1_024)
    assert "max_new_tokens" not in request.sampling.model_fields_set


@pytest.mark.parametrize("model", ["s1-mini", "agent-x0", "s2-pro"])
def test_models_of_the_hosted_service(legacy: Session, model: str) -> None:
    assert b"".join(legacy.tts(TTSRequest(text="a"), backend=model))  # type: ignore[arg-type]


async def test_speech_asynchronously(server: Server) -> None:
    async with Session(KEY, base_url=server.url) as session:
        request = TTSRequest(
            text=HELLO,
            format="wav",
            references=[ReferenceAudio(audio=WAV, text="Silence.")],
            prosody=Prosody(speed=1.5),
        )
        heard(b"".join([chunk async for chunk in session.tts.awaitable(request)]))
    assert server.gateway.spoken.speed == 1.5
    assert server.gateway.references == [[WAV]]


def test_audio_comes_while_it_is_made(legacy: Session, server: Server) -> None:
    """The stub stops after five chunks; what was made until then has arrived. Leaving stops the work."""
    server.gateway.hindrances = {5: asyncio.Event()}
    stream = legacy.tts(TTSRequest(text=HELLO * 4, format="pcm"))
    received = 0
    while received < 5 * CHUNK * 2:
        received += len(next(stream))
    assert (received, server.gateway.closed) == (5 * CHUNK * 2, 0)
    stream.close()
    legacy._sync_client.close()
    legacy.init_sync_client()
    wait_until(lambda: server.gateway.closed == 1)


def test_failures_of_speech(legacy: Session, server: Server) -> None:
    """Of a stream it reads the status only."""
    server.gateway.hindrances = {0: Overloaded("Full.", retry_after_s=1)}
    with pytest.raises(HttpCodeErr) as full:
        list(legacy.tts(TTSRequest(text="a")))
    assert full.value.status == 429
    with pytest.raises(HttpCodeErr) as unknown:
        list(legacy.tts(TTSRequest(text="a", reference_id="nobody")))
    assert unknown.value.status == 404


def test_transcription(legacy: Session) -> None:
    assert legacy.asr(ASRRequest(audio=WAV)).text == TEXT
    with pytest.raises(HttpCodeErr) as wrong:
        legacy.asr(ASRRequest(audio=WAV, language="xx"))
    assert wrong.value.status == 422
    assert wrong.value.message.startswith("language: Input should be a language that Whisper knows")


def test_voices(legacy: Session, server: Server) -> None:
    server.gateway.library = {"anna": voice("anna", title="Anna")}
    assert [one.title for one in legacy.list_models(title="anna").items] == ["Anna"]
    made = legacy.create_model(title="Bob", voices=[WAV], texts=["One."], cover_image=b"no picture")
    legacy.update_model(made.id, description="New.", cover_image=b"no picture")
    assert legacy.get_model(made.id).description == "New."
    legacy.delete_model(made.id)
    with pytest.raises(HttpCodeErr) as gone:
        legacy.get_model(made.id)
    assert (gone.value.status, gone.value.message) == (404, f"There is no voice '{made.id}'.")


def test_wrong_keys(server: Server) -> None:
    with Session("wrong", base_url=server.url) as session, pytest.raises(HttpCodeErr) as refused:
        session.list_models()
    assert (refused.value.status, refused.value.message) == (401, "The API key is not one that this server knows.")
