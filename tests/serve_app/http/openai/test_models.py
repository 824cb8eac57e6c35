"""The models as the OpenAI API lists them."""

from deployments.model_state import ModelState
from serve_app.config.tasks import TASKS
from tests.serve_app.http.speaking import SpeakingGateway
from tests.serve_app.http.stub import (
    LABELS,
    MODELS,
    StubGateway,
    app_of,
    client_of,
    message,
)

LOADING = ModelState("downloading", 0.25, "3 of 12 files")


async def test_models() -> None:
    gateway = StubGateway()
    gateway.found = {"sample-asr": LOADING}
    async with client_of(app_of(gateway)) as client:
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
        "aliases": ["org/some-name", *TASKS["transcription"].hosted_names],
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


async def test_models_that_speak() -> None:
    async with client_of(app_of(SpeakingGateway())) as client:
        every = (await client.get("/v1/models")).json()["data"]
        speaking = (await client.get("/v1/audio/models")).json()
    assert speaking == {
        "object": "list",
        "data": [model for model in every if model["task"] == "speech"],
        "models": [{"id": "sample-tts", "name": "sample-tts"}],
    }
    async with client_of(app_of(StubGateway())) as client:
        assert (await client.get("/v1/audio/models/")).json() == {"object": "list", "data": [], "models": []}


async def test_classifiers_among_the_models() -> None:
    gateway = StubGateway()
    gateway.found = {"guard": ModelState("ready", labels=LABELS)}
    async with client_of(app_of(gateway)) as client:
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
    gateway = SpeakingGateway()
    gateway.found = {"sample-tts": ModelState("ready", queued=120.0)}
    async with client_of(app_of(gateway)) as client:
        found = (await client.get("/v1/models/tts-1")).json()
        listed = [model["id"] for model in (await client.get("/v1/models")).json()["data"]]
    assert "sample-tts" in listed
    assert (found["root"], found["task"], found["license"]) == ("sample-tts", "speech", "CC-BY-NC-SA-4.0")
    assert {"tts-1-hd", "gpt-4o-mini-tts"} < set(found["aliases"])
    assert found["state"]["queued_chars"] == 120.0
