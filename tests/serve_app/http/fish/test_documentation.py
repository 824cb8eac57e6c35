"""Fish-speech's API in ``docs/fish.md`` and in the OpenAPI document."""

import json
import re
from typing import Any

import pytest

from serve_app.http.fish.field_rows import fields_of
from serve_app.http.fish.hosted.asr import AsrBody, SamplesBody
from serve_app.http.fish.hosted.voice_entities import VoiceQuery
from serve_app.http.fish.hosted.voices import NewVoiceBody
from serve_app.http.fish.invoke_body import InvokeBody
from serve_app.http.fish.live.session import LiveLimits
from serve_app.http.fish.references import AddBody, DeleteBody, UpdateBody
from serve_app.http.fish.vqgan import DecodeBody, EncodeBody
from serve_app.http.openapi import openapi
from serve_app.http.paths import FISH
from serve_app.tasks.speech.fish_fields import TtsBody
from tests.serve_app.http.fish.support import WAV, gateway_with, send, voice
from tests.serve_app.http.stub import app_of, client_of
from tests.test_docs import DOCS, FIELD_TABLE, field_table

DOCUMENT = DOCS / "fish.md"
MODELS = (
    TtsBody,
    InvokeBody,
    EncodeBody,
    DecodeBody,
    AddBody,
    DeleteBody,
    UpdateBody,
    VoiceQuery,
    NewVoiceBody,
    AsrBody,
    SamplesBody,
)


def field_tables() -> list[str]:
    """The tables of ``docs/fish.md``, written by ``python -m tests.serve_app.http.fish.test_documentation``."""
    return [field_table(fields_of(model)) for model in MODELS]


def test_every_field_is_documented() -> None:
    current = FIELD_TABLE.findall(DOCUMENT.read_text()) == field_tables()
    assert current, "run python -m tests.serve_app.http.fish.test_documentation"


def test_the_limits_of_sessions_are_documented() -> None:
    limits = LiveLimits()
    text = DOCUMENT.read_text()
    assert f"after {limits.start_s:g} s without a `start`, after {limits.idle_s:g} s" in text
    assert (limits.session_s, f"{limits.waiting_chars:,} characters wait" in text) == (3_600, True)


def test_every_route_is_documented() -> None:
    text = DOCUMENT.read_text()
    paths = [path for path in openapi("1")["paths"] if path.startswith(FISH)]
    assert len(paths) == 16
    for path in paths:
        assert path.rpartition("/")[0] in text if "references" in path else path in text


async def test_the_page_shows_it() -> None:
    async with client_of(app_of(gateway_with())) as client:
        page = (await client.get("/docs")).text
    for name in TtsBody.model_fields:
        assert f"<code>{name}</code>" in page
    assert "/v1/tts/live" in page


async def test_answers_fit_the_document() -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="needs jsonschema")
    components = openapi("1")["components"]
    assert not [
        name
        for section, name in re.findall(r'"\$ref": "#/components/(\w+)/(\w+)"', json.dumps(openapi("1")))
        if name not in components[section]
    ]

    def check(value: object, schema: str) -> None:
        jsonschema.validate(value, {"$ref": f"#/components/schemas/{schema}", "components": components})

    gateway = gateway_with(voice("a"))

    async def asked(path: str, body: Any = None, method: str = "POST") -> Any:
        response = await send(
            gateway, body, path, method=method, msgpack=True, headers={"accept": "application/json"}
        )
        return response.json()

    check(await asked("/v1/tts", {"text": ""}), "FishError")
    check(await asked("/v1/tts", {"text": 3}), "FishWrongFields")
    check(await asked("/v1/vqgan/encode", {"audios": [WAV]}), "FishTokens")
    check(await asked("/v1/vqgan/decode", {"tokens": [[[1]]]}), "FishAudios")
    check(await asked("/v1/references/add", {"id": "b", "audio": WAV, "text": "a"}), "FishReference")
    check(await asked("/v1/references/add", {"id": "b", "audio": WAV, "text": "a"}), "FishReference")
    check(await asked("/v1/references/list", method="GET"), "FishReferences")
    check(await asked("/v1/asr", {"audio": WAV}), "FishTranscript")
    check(await asked("/v1/asr", {}), "FishCloudError")
    check(await asked("/model", method="GET"), "FishVoices")
    check(await asked("/model/a", method="GET"), "FishVoice")
    check(await asked("/v1/health", method="GET"), "Health")


if __name__ == "__main__":
    tables = iter(field_tables())
    DOCUMENT.write_text(FIELD_TABLE.sub(lambda _: next(tables), DOCUMENT.read_text()))
