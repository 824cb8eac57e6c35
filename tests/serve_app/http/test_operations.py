"""Probes, models, documentation."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from deployments.model_state import ModelState
from serve_app.http.openapi import openapi
from serve_app.tasks.classification.fields import CLASSIFICATION, MODERATION
from serve_app.tasks.speech.fields import SPEECH
from serve_app.tasks.speech.voice_fields import NEW_VOICE, VOICE_CHANGE
from serve_app.tasks.transcription.fields import FIELDS
from tests.serve_app.http.speaking import SpeakingBackend
from tests.serve_app.http.stub import (
    CLASSIFY,
    FINISHED,
    LABELS,
    MODELS,
    MODERATIONS,
    PATH,
    StubBackend,
    app_of,
    ask,
    client_of,
    message,
    post,
    segment,
)

LOADING = ModelState("downloading", 0.25, "3 of 12 files")


@pytest.mark.parametrize(
    ("states", "readyz", "ping", "status"),
    [
        ({"large": ModelState("ready"), "guard": ModelState("idle")}, 200, 200, "ready"),
        ({"large": ModelState("ready"), "guard": LOADING}, 503, 204, "starting"),
        ({"large": LOADING, "guard": ModelState("failed", detail="no such file")}, 503, 503, "failed"),
    ],
)
async def test_probes(states: dict[str, ModelState], readyz: int, ping: int, status: str) -> None:
    backend = StubBackend()
    backend.found = states
    async with client_of(app_of(backend)) as client:
        alive, ready, pong = [await client.get(path) for path in ("/healthz", "/readyz", "/ping")]
        assert (await client.head("/healthz")).status_code == 200
    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})
    assert (ready.status_code, ready.json()["status"]) == (readyz, status)
    assert {name: state["phase"] for name, state in ready.json()["models"].items()} == {
        name: state.phase for name, state in states.items()
    }
    assert pong.status_code == ping
    if ping == 204:
        assert pong.content == b""


async def test_readyz_tells_the_progress_and_the_queue() -> None:
    """Queues are seconds of audio or tokens, whatever the model's work is measured in."""
    backend = StubBackend()
    backend.found = {
        "large": LOADING,
        "guard": ModelState("ready", queued=512.0, active_requests=3),
    }
    async with client_of(app_of(backend)) as client:
        body = (await client.get("/readyz")).json()
    assert body["models"] == {
        "large": {
            "phase": "downloading",
            "progress": 0.25,
            "detail": "3 of 12 files",
            "queued_audio_s": 0.0,
            "active_requests": 0,
        },
        "guard": {
            "phase": "ready",
            "progress": None,
            "detail": "",
            "queued_tokens": 512.0,
            "active_requests": 3,
        },
    }


async def test_models() -> None:
    backend = StubBackend()
    backend.found = {"sample-asr": LOADING}
    async with client_of(app_of(backend)) as client:
        listing = (await client.get("/v1/models")).json()
        assert (await client.get("/v1/models/")).json() == listing
        found = {name: (await client.get(f"/v1/models/{name}")).json() for name in ("whisper-1", "org/some-name")}
        encoded = (await client.get("/v1/models/org%2Fsome-name")).json()
        on_demand = (await client.get("/v1/models/acme/on-demand-xl")).json()
        missing = await client.get("/v1/models/org/other")
    assert listing["object"] == "list"
    assert [m["id"] for m in listing["data"]] == [entry.id for entry in MODELS]
    sample, large, pool, *_ = listing["data"]
    assert sample | {"created": 0} == {
        "id": "sample-asr",
        "object": "model",
        "created": 0,
        "owned_by": "antiphon",
        "root": "sample-asr",
        "task": "transcription",
        "languages": [],
        "labels": [],
        "aliases": ["org/some-name", "whisper-1"],
        "default": True,
        "description": "A small one.",
        "license": "Apache-2.0",
        "source": "local",
        "on_demand": [],
        "state": {
            "phase": "downloading",
            "progress": 0.25,
            "detail": "3 of 12 files",
            "queued_audio_s": 0.0,
            "active_requests": 0,
        },
    }
    assert (large["owned_by"], large["default"]) == ("acme", False)
    assert large["source"].startswith("hf://acme/whisper-large@")
    assert large["state"] == {"phase": "starting", "progress": None}
    assert (pool["source"], pool["on_demand"]) == (None, ["acme/on-demand-*"])
    assert found == {name: sample | {"id": name} for name in found}
    assert encoded == found["org/some-name"]
    assert (on_demand["id"], on_demand["root"]) == ("acme/on-demand-xl", "any")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "model_not_found")
    assert message(missing) == (
        "The model 'org/other' is not served here. Models: any, any-classifier, guard, large, sample-asr, "
        "sample-classifier."
    )


async def test_classifiers_among_the_models() -> None:
    backend = StubBackend()
    backend.found = {"guard": ModelState("ready", labels=LABELS)}
    async with client_of(app_of(backend)) as client:
        data = {model["id"]: model for model in (await client.get("/v1/models")).json()["data"]}
        alias = (await client.get("/v1/models/omni-moderation-latest")).json()
        on_demand = (await client.get("/v1/models/acme/classify-spam")).json()
    guard, sample = data["guard"], data["sample-classifier"]
    assert (guard["task"], guard["labels"], guard["languages"]) == ("classification", list(LABELS), [])
    assert (guard["owned_by"], guard["default"], sample["default"]) == ("acme", False, True)
    assert guard["source"].startswith("hf://acme/guard@")
    assert guard["state"]["queued_tokens"] == 0.0
    assert (sample["source"], sample["labels"]) == ("local", [])
    assert {"omni-moderation-latest", "text-moderation-latest"} < set(sample["aliases"])
    assert alias == sample | {"id": "omni-moderation-latest"}
    assert (on_demand["id"], on_demand["root"]) == ("acme/classify-spam", "any-classifier")


async def test_voices_among_the_models() -> None:
    backend = SpeakingBackend()
    backend.found = {"sample-tts": ModelState("ready", queued=120.0)}
    async with client_of(app_of(backend)) as client:
        found = (await client.get("/v1/models/tts-1")).json()
        listed = [model["id"] for model in (await client.get("/v1/models")).json()["data"]]
    assert "sample-tts" in listed
    assert (found["root"], found["task"], found["license"]) == ("sample-tts", "speech", "CC-BY-NC-SA-4.0")
    assert {"tts-1-hd", "gpt-4o-mini-tts"} < set(found["aliases"])
    assert found["state"]["queued_chars"] == 120.0


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
    app = app_of(StubBackend())
    paths = {re.sub(r"\{\w+:path\}", "{id}", route.path) for route in app.routes}
    assert paths - {"/", "/docs", "/openapi.json", "/v2/{id}"} == set(openapi("1")["paths"])


async def test_answers_fit_the_document() -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="needs jsonschema")
    components = openapi("1")["components"]

    def check(value: object, schema: str) -> None:
        jsonschema.validate(value, {"$ref": f"#/components/schemas/{schema}", "components": components})

    fields = {"timestamp_granularities[]": ["word", "segment"], "response_format": "verbose_json"}
    check((await post(StubBackend(), fields)).json(), "VerboseTranscript")
    check((await post(StubBackend(), {"include[]": "logprobs"})).json(), "Transcript")
    check((await post(StubBackend(), {"temperature": "9"})).json(), "Error")
    moderated = StubBackend((segment(0, "a", 0, 1, classification={"hate": 0.5, "spam": 0.5}), FINISHED))
    check((await post(moderated)).json(), "Transcript")
    check((await post(moderated, fields)).json(), "VerboseTranscript")
    check((await ask(StubBackend(), {"input": "x"})).json(), "TextScores")
    check((await ask(StubBackend(), {"input": ["x"]})).json()[0], "TextScores")
    for model in ("sample-classifier", "guard"):
        check((await ask(StubBackend(), {"input": "x", "model": model}, MODERATIONS)).json(), "ModerationList")
    async with client_of(app_of(SpeakingBackend())) as client:
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
    async with client_of(app_of(StubBackend())) as client:
        check((await client.get("/readyz")).json(), "Readiness")
        check((await client.get("/healthz")).json(), "Health")
    stream = await post(StubBackend(), {"stream": "true", "response_format": "verbose_json"})
    events = [json.loads(line[6:]) for line in stream.text.split("\n\n") if line.startswith("data: {")]
    assert len(events) == 3
    for event in events:
        check(event, "StreamEvent")


async def test_the_page_is_complete_and_needs_no_other_server() -> None:
    async with client_of(app_of(StubBackend())) as client:
        page = (await client.get("/docs")).text
        index = (await client.get("/")).json()
        document = (await client.get("/openapi.json")).json()
    assert index["docs"] == "docs"
    assert document["openapi"] == "3.1.0"
    links: list[str] = []

    class Links(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert tag not in ("script", "link", "img", "iframe")
            links.extend(value or "" for name, value in attrs if name in ("href", "src"))

    Links().feed(page)
    assert links == ["openapi.json"]
    for name in (field.name for field in (*FIELDS, *CLASSIFICATION, *MODERATION, *SPEECH, *NEW_VOICE)):
        assert f"<code>{name}</code>" in page
    assert "text or a list of texts or a list of objects of type, text" in page
    assert "Also <code>prompt</code>, <code>text</code>." in page


def test_the_entrance_imports_no_ray() -> None:
    program = "import serve_app.http.app, sys; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
