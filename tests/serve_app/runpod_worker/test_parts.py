"""The small parts of the worker: what it reads from the machine, the line and the job."""

import asyncio
import json
import math
import re
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.errors import InternalError, InvalidRequest
from serve_app.config.serve_yaml.load import load
from serve_app.runpod_worker import machine, options, sent_job
from serve_app.runpod_worker.handlers import ProgressPosts
from serve_app.runpod_worker.json_safe import json_safe
from serve_app.runpod_worker.loop_thread import LoopThread
from serve_app.runpod_worker.machine import use_hub_cache
from serve_app.runpod_worker.sdk import concurrency
from serve_app.runpod_worker.startup_proxy import ports

ROOT = Path(__file__).parents[3]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


@given(JSON)
def test_every_value_becomes_json(value: Any) -> None:
    text = json.dumps(json_safe(value), ensure_ascii=False, allow_nan=False).encode()
    json.loads(text)


def test_what_json_has_is_left_alone() -> None:
    value = {"a": [1, 2.5, None, True, "text"]}
    assert json_safe(value) is value


def test_what_json_has_not_is_replaced() -> None:
    found = json_safe({"a": (math.nan, math.inf), 1: np.float32(0.5), "b": np.arange(2), "c": "half \ud800"})
    assert found == {"a": [None, None], "1": 0.5, "b": [0, 1], "c": "half \ufffd"}


def test_what_has_no_place_in_json_is_told() -> None:
    endless: list[Any] = []
    endless.append(endless)
    for value, told in ((b"bytes", "it holds a bytes"), ({(1, 2): 3}, "a tuple for a key"), (endless, "nested")):
        with pytest.raises(InternalError, match=told):
            json_safe(value)


@pytest.mark.parametrize(
    ("environment", "cpus", "gpus"),
    [
        ({"RUNPOD_CPU_COUNT": "7", "RUNPOD_GPU_COUNT": "2", "CUDA_VISIBLE_DEVICES": "0"}, 7, 2),
        ({"RUNPOD_CPU_COUNT": "many", "CUDA_VISIBLE_DEVICES": "1,3"}, None, 2),
        ({"CUDA_VISIBLE_DEVICES": ""}, None, 0),
        ({"CUDA_VISIBLE_DEVICES": "0,-1,2"}, None, 1),
        ({"RUNPOD_GPU_COUNT": "0"}, None, 0),
        ({}, None, 3),
    ],
)
def test_the_machine(environment: dict[str, str], cpus: int | None, gpus: int, tmp_path: Path) -> None:
    for name in ("nvidia0", "nvidia1", "nvidia12", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    found = machine.find(environment, tmp_path, tmp_path)
    assert found.gpus == gpus
    assert found.cpus == cpus if cpus else found.cpus >= 1
    assert 100 * 2**20 <= found.store_bytes <= 2**30
    assert machine.find({}, tmp_path / "missing", tmp_path).store_bytes == 100 * 2**20


def test_models_that_runpod_has_put_there_are_used(tmp_path: Path) -> None:
    environment: dict[str, str] = {}
    assert not use_hub_cache(environment, tmp_path / "missing")
    assert not environment
    assert use_hub_cache(environment, tmp_path)
    assert environment == {"HF_HUB_CACHE": str(tmp_path), "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    chosen = {"HF_HUB_OFFLINE": "0"}
    use_hub_cache(chosen, tmp_path)
    assert (chosen["HF_HUB_OFFLINE"], chosen["TRANSFORMERS_OFFLINE"]) == ("0", "0")


def test_concurrency_is_high_and_bounded() -> None:
    assert concurrency([2]) == 16
    assert concurrency([64, 256]) == 160
    assert concurrency([10_000, 1]) == 300


@pytest.mark.parametrize(
    ("line", "environment", "balanced"),
    [
        ([], {}, False),
        ([], {"PORT": "80"}, True),
        ([], {"PORT": "80", "RUNPOD_WEBHOOK_GET_JOB": "http://x"}, False),
        (["--test_input", "{}"], {"PORT": "80"}, False),
        (["--load-balancing"], {"RUNPOD_WEBHOOK_GET_JOB": "http://x"}, True),
    ],
)
def test_which_of_the_two_kinds_of_worker_it_is(
    line: list[str], environment: dict[str, str], balanced: bool
) -> None:
    assert options.read(line, environment).load_balancing is balanced


def test_the_environment_chooses_and_the_sdks_flags_stay() -> None:
    environment = {"RUNTIME": "local", "ANTIPHON_CONTRACT": "ivrit-legacy", "RUNPOD_INIT_TIMEOUT": "600"}
    found = options.read(["--rp_log_level", "DEBUG", "--test_input", "{}"], environment)
    assert (found.runtime, found.contract, found.ready_timeout_s) == ("local", "ivrit-legacy", 600)
    assert found.rest == ("--rp_log_level", "DEBUG", "--test_input", "{}")


@pytest.mark.parametrize(("line", "environment"), [(["--runtme", "ray"], {}), ([], {"RUNTIME": "docker"})])
def test_wrong_options_are_refused(
    line: list[str], environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        options.read(line, environment)
    assert "runt" in capsys.readouterr().err


def test_ports() -> None:
    assert ports({}) == [80]
    assert ports({"PORT": "8000", "PORT_HEALTH": "8000"}) == [8000]
    assert ports({"PORT": "8000", "PORT_HEALTH": "8001"}) == [8000, 8001]
    with pytest.raises(ValueError, match="PORT_HEALTH has to be a port"):
        ports({"PORT_HEALTH": "70000"})


@given(JSON)
def test_any_job_is_usable_or_none(sent: Any) -> None:
    job = sent_job.usable(sent)
    assert (job is None) or (isinstance(job["id"], str) and "self" not in job)


@given(st.dictionaries(st.sampled_from(["input", "policy", "s3Config"]), JSON), JSON)
def test_any_options_are_read(sent: dict[str, Any], value: Any) -> None:
    job = sent_job.read({**sent, "id": "1", "policy": {"executionTimeout": value}}, 0, 60)
    assert 0 < job.options.execution_timeout_s <= 7 * 86_400


def test_options_of_a_job() -> None:
    s3 = {"accessId": "id", "accessSecret": "secret", "bucketName": "b", "endpointUrl": "https://s3.example.com"}
    job = sent_job.read({"id": "1", "policy": {"executionTimeout": 5_000}, "s3Config": s3}, 0, 60)
    assert job.options.execution_timeout_s == 5
    assert job.options.s3 is not None
    assert job.options.s3.bucket_name == "b"
    with pytest.raises(InvalidRequest):
        sent_job.input_of({"input": "text"})


async def test_progress_is_told_one_at_a_time_and_not_after_the_end() -> None:
    told: list[int] = []
    gate = asyncio.Event()

    async def post(value: int) -> None:
        await gate.wait()
        told.append(value)

    posts = ProgressPosts(post)
    posts.tell(0)
    await asyncio.sleep(0)  # it is on its way
    for value in range(1, 10):
        posts.tell(value)
    settling = asyncio.create_task(posts.settle())
    await asyncio.sleep(0)
    assert not settling.done()
    gate.set()
    await settling
    assert told == [0]


async def test_progress_that_fails_fails_nothing() -> None:
    told: list[int] = []

    async def post(value: int) -> None:
        told.append(value)
        raise OSError

    posts = ProgressPosts(post)
    posts.tell(1)
    await posts.settle()
    posts.tell(2)
    await posts.settle()
    assert told == [1, 2]


async def test_items_come_from_another_loop_and_leaving_stops_them() -> None:
    ended = asyncio.Event()
    here = asyncio.get_running_loop()

    async def count() -> AsyncGenerator[int]:
        try:
            number = 0
            while True:
                yield number
                number += 1
                if number == 50:
                    raise InvalidRequest("no more")
        finally:
            await asyncio.sleep(0.01)
            here.call_soon_threadsafe(ended.set)

    background = LoopThread("test")
    try:
        found: list[int] = []

        async def read() -> None:
            async for number in background.relay(count):
                found.append(number)  # noqa: PERF401 - what came before the error counts

        with pytest.raises(InvalidRequest, match="no more"):
            await read()
        assert found == list(range(50))
        ended.clear()
        items = background.relay(count)
        assert await anext(items) == 0
        await items.aclose()
        async with asyncio.timeout(5):
            await ended.wait()
    finally:
        background.close()
    background.close()


def test_the_lines_that_make_the_worker_speak(tmp_path: Path) -> None:
    text = (ROOT / "configs" / "runpod.yaml").read_text()
    begin = text.index("        # - id: fish-speech")
    config = tmp_path / "runpod.yaml"
    config.write_text(text[:begin] + re.sub(r"(?m)^( +)# (?=- | )", r"\1", text[begin:]))
    (app,) = load(config).applications
    assert app.config.models[-1].id in app.overrides
    assert app.config.models[-1].license == "CC-BY-NC-SA-4.0"


def test_the_hubs_files_say_what_they_have_to() -> None:
    hub = json.loads((ROOT / ".runpod" / "hub.json").read_text())
    tests = json.loads((ROOT / ".runpod" / "tests.json").read_text())
    assert {"title", "description", "type", "category", "config"} <= set(hub)
    assert hub["config"]["runsOn"] == "GPU"
    choices = {entry["key"]: entry["input"] for entry in hub["config"]["env"]}
    for runtime in choices["RUNTIME"]["options"]:
        options.read([], {"RUNTIME": runtime["value"]})
    for contract in choices["ANTIPHON_CONTRACT"]["options"]:
        options.read([], {"ANTIPHON_CONTRACT": contract["value"]})
    for preset in hub["config"]["presets"]:
        assert set(preset["defaults"]) <= set(choices)
    for test in tests["tests"]:
        sent_job.input_of(test)
        assert test["timeout"] > 0
    sent_job.input_of(json.loads((ROOT / "test_input.json").read_text()))
