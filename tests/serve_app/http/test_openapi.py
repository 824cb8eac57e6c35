"""The OpenAPI document: complete, and true of the answers."""

import json
import re

import pytest

from serve_app.http.openapi import openapi
from serve_app.tasks.classification.fields import CLASSIFICATION, MODERATION
from serve_app.tasks.speech.fields import SPEECH
from serve_app.tasks.speech.voice_fields import NEW_VOICE, VOICE_CHANGE
from serve_app.tasks.transcription.fields import FIELDS
from tests.serve_app.http.speaking import SpeakingGateway
from tests.serve_app.http.stub import (
    CLASSIFY,
    FINISHED,
    MODERATIONS,
    PATH,
    StubGateway,
    app_of,
    ask,
    client_of,
    post,
    segment,
)


def test_the_document_has_every_field_and_no_dangling_reference() -> None:
    document = openapi("1.2.3")
    for path in (PATH, "/v1/audio/translations"):
        form = document["paths"][path]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
        assert form["properties"].keys() == {"file", *(field.name for field in FIELDS)}
    for path, table in (
        (CLASSIFY, CLASSIFICATION),
        (MODERATIONS, MODERATION),
        ("/v1/audio/speech", SPEECH),
        ("/v1/audio/voices", NEW_VOICE),
        ("/v1/audio/voices/{id}", VOICE_CHANGE),
    ):
        (content,) = document["paths"][path]["post"]["requestBody"]["content"].values()
        assert content["schema"]["properties"].keys() == {field.name for field in table}
        assert content["schema"].get("required", []) == [field.name for field in table if field.required]
    text = json.dumps(document)
    for reference in re.findall(r'"\$ref": "#/components/(\w+)/(\w+)"', text):
        assert reference[1] in document["components"][reference[0]]
    operations = re.findall(r'"operationId": "(\w+)"', text)
    assert len(operations) == len(set(operations)) >= 15


async def test_the_document_describes_every_route() -> None:
    app = app_of(StubGateway())
    paths = {re.sub(r"\{\w+:path\}", "{id}", route.path) for route in app.routes}
    assert paths - {"/", "/docs", "/openapi.json", "/v2/{id}"} == set(openapi("1")["paths"])


async def test_answers_fit_the_document() -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="needs jsonschema")
    components = openapi("1")["components"]

    def check(value: object, schema: str) -> None:
        jsonschema.validate(value, {"$ref": f"#/components/schemas/{schema}", "components": components})

    fields = {"timestamp_granularities[]": ["word", "segment"], "response_format": "verbose_json"}
    check((await post(StubGateway(), fields)).json(), "VerboseTranscript")
    check((await post(StubGateway(), {"include[]": "logprobs"})).json(), "Transcript")
    check((await post(StubGateway(), {"temperature": "9"})).json(), "Error")
    moderated = StubGateway((segment(0, "a", 0, 1, classification={"hate": 0.5, "spam": 0.5}), FINISHED))
    check((await post(moderated)).json(), "Transcript")
    check((await post(moderated, fields)).json(), "VerboseTranscript")
    check((await ask(StubGateway(), {"input": "x"})).json(), "TextScores")
    check((await ask(StubGateway(), {"input": ["x"]})).json()[0], "TextScores")
    for model in ("sample-classifier", "guard"):
        check((await ask(StubGateway(), {"input": "x", "model": model}, MODERATIONS)).json(), "ModerationList")
    async with client_of(app_of(SpeakingGateway())) as client:
        check((await client.get("/v1/models")).json(), "ModelList")
        voice = {"name": "anna", "audio_sample": "AAAA", "text": "a"}
        check((await client.post("/v1/audio/voices", json=voice)).json(), "Voice")
        check((await client.post("/v1/audio/voices", json=voice)).json(), "Error")
        check((await client.get("/v1/audio/voices")).json(), "VoiceList")
        check((await client.delete("/v1/audio/voices/anna")).json(), "VoiceDeleted")
        spoken = await client.post("/v1/audio/speech", json={"input": "Hello.", "stream_format": "sse"})
    for line in spoken.text.split("\n\n"):
        if line.startswith("data: {"):
            check(json.loads(line[6:]), "SpeechEvent")
    async with client_of(app_of(StubGateway())) as client:
        check((await client.get("/readyz")).json(), "Readiness")
        check((await client.get("/healthz")).json(), "Health")
    stream = await post(StubGateway(), {"stream": "true", "response_format": "verbose_json"})
    events = [json.loads(line[6:]) for line in stream.text.split("\n\n") if line.startswith("data: {")]
    assert len(events) == 3
    for event in events:
        check(event, "StreamEvent")
