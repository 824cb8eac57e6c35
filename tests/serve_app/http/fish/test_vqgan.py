"""``/v1/vqgan/encode`` and ``/v1/vqgan/decode``."""

import asyncio
import base64
from typing import Any

import numpy as np
import ormsgpack
import pytest

from deployments.errors import UndecodableAudio
from serve_app.fields.audio import uploads_of
from tests.serve_app.http.asgi_call import AsgiCall
from tests.serve_app.http.fish.support import MSGPACK, WAV, gateway_with, send, sentence, unpacked
from tests.serve_app.http.stub import app_of

ENCODE, DECODE = "/v1/vqgan/encode", "/v1/vqgan/decode"
CODES = [[1, 2, 3], [4, 5, 999]]


async def test_encoding() -> None:
    gateway = gateway_with()
    (expected,) = [one.tolist() for one in await gateway.encode_speech(uploads_of([WAV]))]
    response = await send(gateway, {"audios": [WAV, WAV]}, ENCODE, msgpack=True)
    assert unpacked(response) == {"tokens": [expected, expected]}
    text = base64.b64encode(WAV).decode()
    assert unpacked(await send(gateway, {"audios": [text]}, ENCODE)) == {"tokens": [expected]}
    for json in (
        await send(gateway, {"audios": [WAV]}, ENCODE, msgpack=True, headers={"accept": "application/json"}),
        await send(gateway, {"audios": [WAV]}, f"{ENCODE}?format=json", msgpack=True),
    ):
        assert json.json() == {"tokens": [expected]}


async def test_decoding() -> None:
    """PCM of float16."""
    response = await send(gateway_with(), {"tokens": [CODES, [[7]]]}, DECODE, msgpack=True)
    first, second = (np.frombuffer(one, "<f2") for one in unpacked(response)["audios"])
    assert (len(first), len(second), set(first.tolist())) == (3 * 640, 640, {0.25})
    assert response.headers["x-sample-rate"] == "16000"
    assert unpacked(await send(gateway_with(), {"tokens": [CODES]}, DECODE))["audios"] == [first.tobytes()]
    json = await send(gateway_with(), {"tokens": [CODES]}, f"{DECODE}?format=json")
    assert json.json() == {"audios": [base64.b64encode(first.tobytes()).decode()]}


@pytest.mark.parametrize(
    ("codes", "words"),
    [
        ([], "has to be equally long lists"),
        ([[]], "has to be equally long lists"),
        ([1, 2], "has to be equally long lists"),
        ([[1, 2], [3]], "has to be equally long lists"),
        ([[[1]]], "has to be equally long lists"),
        ([[0.5]], "has to be equally long lists"),
        ([["1"]], "has to be equally long lists"),
        ([[True]], "has to be equally long lists"),
        ([[None]], "has to be equally long lists"),
        ("12", "has to be equally long lists"),
        ({"1": 2}, "has to be equally long lists"),
        ([[-1]], "holds a number that is no code"),
        ([[2**31]], "holds a number that is no code"),
        ([[2**63]], "holds a number that is no code"),
    ],
)
async def test_codes_that_are_none(codes: Any, words: str) -> None:
    response = await send(gateway_with(), {"tokens": [CODES, codes]}, DECODE, msgpack=True)
    assert response.status_code == 400
    assert sentence(response).startswith(f"Entry 2 of `tokens` {words}")


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        (ENCODE, {}, "missing"),
        (ENCODE, {"audios": []}, "too_short"),
        (ENCODE, {"audios": [WAV] * 65}, "too_long"),
        (ENCODE, {"audios": [3]}, "bytes_type"),
        (DECODE, {}, "missing"),
        (DECODE, {"tokens": []}, "too_short"),
        (DECODE, {"tokens": "a"}, "list_type"),
    ],
)
async def test_wrong_fields(path: str, body: Any, kind: str) -> None:
    response = await send(gateway_with(), body, path, msgpack=True)
    assert (response.status_code, [one["type"] for one in response.json()]) == (422, [kind])


async def test_failures_and_models() -> None:
    gateway = gateway_with()
    asked = []

    async def refuse(audios: Any, model: str | None = None) -> Any:
        asked.append(model)
        raise UndecodableAudio("File 1 is no audio.")

    gateway.encode_speech = refuse  # type: ignore[method-assign]
    response = await send(gateway, {"audios": [WAV], "model": "m"}, ENCODE, msgpack=True)
    assert (response.status_code, sentence(response), asked) == (400, "File 1 is no audio.", ["m"])


async def test_a_client_that_leaves_stops_the_work() -> None:
    gateway = gateway_with()
    begun, ended = asyncio.Event(), asyncio.Event()

    async def wait(codes: Any, model: str | None = None) -> Any:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    gateway.decode_speech = wait  # type: ignore[method-assign]
    call = AsgiCall(app_of(gateway), DECODE, headers=MSGPACK).start()
    call.feed(ormsgpack.packb({"tokens": [CODES]}))
    await begun.wait()
    call.leave()
    assert await call.finished() == []
    assert ended.is_set()
