"""Every route that takes a file as text takes the same spellings of base64, and refuses what is none."""

import base64
from typing import Any

import pytest

from tests.serve_app.http.fish.support import WAV, gateway_with, send

ENCODE = "/v1/vqgan/encode"
SOUND = (WAV + b"\xfb\xef\xbe\xff\xfe")[: len(WAV) // 3 * 3 + 4]  # both alphabets differ, and padding is needed
STANDARD, URL_SAFE = base64.b64encode(SOUND).decode(), base64.urlsafe_b64encode(SOUND).decode()
SPELLINGS = {
    "unpadded": STANDARD.rstrip("="),
    "url-safe": URL_SAFE,
    "url-safe, unpadded": URL_SAFE.rstrip("="),
    "in lines after a prefix": "data:audio/wav;base64,\r\n" + base64.encodebytes(SOUND).decode(),
}
BROKEN = (STANDARD.rstrip("=")[:-1], f"{STANDARD.rstrip('=')}=", "data:audio/wav;base64,?")


def body_of(path: str, audio: str) -> Any:
    """A body of the route with this audio."""
    match path:
        case "/v1/tts":
            return {"text": "Hello.", "references": [{"audio": audio, "text": "Hello."}]}
        case "/v1/audio/speech":
            return {"input": "Hello.", "references": [{"audio": audio, "text": "Hello."}]}
        case "/v1/invoke":
            return {"text": "Hello.", "reference_text": "Hello.", "reference_audio": audio}
        case "/v1/references/add":
            return {"id": "anna", "audio": audio, "text": "Hello."}
        case "/v1/audio/voices":
            return {"name": "anna", "audio_sample": audio, "text": "Hello."}
        case _ if path == ENCODE:
            return {"audios": [audio]}
    return {"audio": audio}


PATHS = [
    *("/v1/tts", "/v1/audio/speech", "/v1/invoke", "/v1/asr"),
    *("/v1/references/add", "/v1/audio/voices", ENCODE),
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_spellings(path: str, spelling: str) -> None:
    gateway = gateway_with()
    response = await send(
        gateway, body_of(path, SPELLINGS[spelling]), path, headers={"accept": "application/json"}
    )
    assert response.status_code == 200, response.text
    heard = [upload.data.tobytes() for upload in gateway.uploads if upload]
    if path != ENCODE:  # whose stub keeps nothing
        assert [*gateway.references, heard][0] == [SOUND]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("audio", BROKEN)
async def test_what_is_no_base64(path: str, audio: str) -> None:
    gateway = gateway_with()
    response = await send(gateway, body_of(path, audio), path, headers={"accept": "application/json"})
    assert response.status_code in (400, 422)
    assert "base64" in response.text
    assert not gateway.references
    assert not gateway.uploads
