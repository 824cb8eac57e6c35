"""Requests that nobody sends by mistake."""

import json

import httpx
import pytest

from tests.serve_app.http.jobs.conftest import sentence
from tests.serve_app.http.jobs.fake import FakeJobs


@pytest.mark.parametrize("name", ["stream", "status", "status-sync"])
def test_head_asks_nothing(client: httpx.Client, jobs: FakeJobs, name: str) -> None:
    """It would take chunks that nobody reads."""
    client.post("/run", json={"input": {}})
    assert client.head(f"/{name}/{jobs.only.id}").status_code == 405


@pytest.mark.parametrize("wait", ["0" * 16 + "1000999999999999", "9" * 5_019, "-1", "1e3", "٣", "1000.5"])
def test_numbers_that_are_none(client: httpx.Client, wait: str) -> None:
    assert "`wait` has to be a whole number" in sentence(
        client.post("/runsync", params={"wait": wait}, json={"input": {}}), 400
    )


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('{"input": {"x": 1e400}}', "too large a number"),
        ('{"input": {"x": -1e999}}', "too large a number"),
        ('{"input": {"x": NaN}}', "NaN"),
        ('{"input": {"x": ' + "9" * 5_000 + "}}", "too many digits"),
        ('{"input": {"a": 1, "a": 2}}', "twice"),
        ('{"input": ' + "[" * 4_000 + "]" * 4_000 + "}", "nested too deeply"),
    ],
    ids=range(6),
)
def test_json_that_is_no_json(client: httpx.Client, body: str, told: str) -> None:
    answer = client.post("/run", content=body, headers={"content-type": "application/json"})
    assert told in sentence(answer, 400)


def test_a_nested_input_is_not_a_server_error(client: httpx.Client) -> None:
    value: object = "deep"
    for _ in range(400):
        value = [value]
    answer = client.post("/run", content=json.dumps({"input": {"x": value}}))
    assert answer.status_code == 200
