"""Bodies of ``run`` and ``runsync``: what is understood, and what is refused with which words."""

import contextlib
import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.errors import InvalidRequest
from serve_app.http.jobs.job_request import submission, submissions
from serve_app.jobs.options import JobOptions, S3Target
from tests.serve_app.http.jobs.conftest import sentence
from tests.serve_app.http.jobs.fake import FakeJobs

S3 = {"accessId": "id", "accessSecret": "hush", "bucketName": "b", "endpointUrl": "https://s3.example.org"}


def test_the_options_by_their_names() -> None:
    body = {
        "input": {"a": 1},
        "webhook": "https://example.org/hook?x=1",
        "policy": {"executionTimeout": 5_000, "ttl": "3600000", "lowPriority": True, "later": 1},
        "s3Config": {**S3, "objectPath": "some/where"},
    }
    sent = submission(body)
    assert sent.request.input == {"a": 1}
    assert sent.request.options == JobOptions(
        webhook="https://example.org/hook?x=1",
        execution_timeout_s=5,
        ttl_s=3_600,
        low_priority=True,
        s3=S3Target("https://s3.example.org", "id", "hush", "b", "some/where"),
    )
    assert sent.ignored == ()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"input": None},
        {"input": {}},
        {"input": {}, "webhook": None, "policy": None, "s3Config": None},
        {"input": {}, "webhook": "", "policy": {}, "s3Config": {}, "api_key": "k", "Authorization": "k"},
        {"policy": {"executionTimeout": None, "ttl": None, "lowPriority": None}},
        {"policy": {"executionTimeout": 600_000.0, "ttl": "86400000"}},
    ],
)
def test_what_is_absent_has_a_default(body: dict[str, Any]) -> None:
    """The SingularityNET daemon leaves out what is empty, and writes large numbers as text."""
    sent = submission(body)
    assert sent.request.input == {}
    assert sent.request.options == JobOptions()
    assert sent.ignored == ()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"input": "text"}, "`input` has to be a JSON object, not 'text'."),
        ({"input": [{}]}, "`input` has to be a JSON object, not a list."),
        ({"input": False}, "`input` has to be a JSON object, not false."),
        ({"input": 0}, "`input` has to be a JSON object, not 0."),
        ({"webhook": "ftp://example.org"}, "`webhook` has to be an http or https URL"),
        ({"webhook": "https://"}, "`webhook` has to be an http or https URL"),
        ({"webhook": "https://example.org:99999/"}, "`webhook` has to be an http or https URL"),
        ({"webhook": "https://exa\nmple.org"}, "`webhook` has to be an http or https URL"),
        ({"webhook": "https://example.org/" + "x" * 2_048}, "at most 2048 characters"),
        ({"webhook": {"url": "https://example.org"}}, "`webhook` has to be an http or https URL"),
        ({"webhookV2": "https://example.org"}, "send `webhook`"),
        ({"policy": 3}, "`policy` has to be a JSON object, not 3."),
        ({"policy": {"executionTimeout": 4_999}}, "from 5000 to 604800000 milliseconds, not 4999."),
        ({"policy": {"executionTimeout": 604_800_001}}, "from 5000 to 604800000 milliseconds"),
        ({"policy": {"executionTimeout": True}}, "not true."),
        ({"policy": {"executionTimeout": "soon"}}, "not 'soon'."),
        ({"policy": {"executionTimeout": 6_000.5}}, "not 6000.5."),
        ({"policy": {"executionTimeout": [6_000]}}, "not a list."),
        ({"policy": {"executionTimeout": {}}}, "not an object."),
        ({"policy": {"ttl": 9_999}}, "`policy.ttl` has to be a whole number from 10000"),
        ({"policy": {"ttl": 10**40}}, "`policy.ttl` has to be"),
        ({"policy": {"lowPriority": "yes"}}, "`policy.lowPriority` has to be true or false, not 'yes'."),
        ({"s3Config": "s3://bucket"}, "`s3Config` has to be a JSON object"),
        ({"s3Config": {**S3, "endpointUrl": None}}, "`s3Config.endpointUrl` is missing."),
        ({"s3Config": {**S3, "endpointUrl": "s3.example.org"}}, "`s3Config.endpointUrl` has to be an http"),
        ({"s3Config": {**S3, "bucketName": ""}}, "`s3Config.bucketName` has to be"),
        ({"s3Config": {**S3, "accessSecret": ["hush"]}}, "`s3Config.accessSecret` has to be"),
        ({"s3Config": {**S3, "accessSecret": "hu\nsh"}}, "`s3Config.accessSecret` has to be"),
    ],
)
def test_refusals(body: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        submission(body)
    assert words in refused.value.message
    assert "hush" not in refused.value.message


def test_batches_say_which_request_is_wrong() -> None:
    assert [r.input for r in submissions([{"input": {"a": 1}}, {}])] == [{"a": 1}, {}]
    assert [r.input for r in submissions({"requests": [{"input": {"a": 1}}]})] == [{"a": 1}]
    with pytest.raises(InvalidRequest, match=r"^Request 2 of the batch: `input` has to be"):
        submissions([{}, {"input": 1}])
    for body in ({}, {"requests": {}}, "x", None):
        with pytest.raises(InvalidRequest, match="has to be a list of jobs"):
            submissions(body)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(["input", "webhook", "webhookV2", "policy", "s3Config", "api_key", "x"])
PARTS = st.sampled_from(["executionTimeout", "ttl", "lowPriority", *S3, "objectPath"])


@given(VALUES | st.dictionaries(FIELDS, VALUES | st.dictionaries(PARTS, VALUES)))
def test_any_json_is_read_or_refused(body: Any) -> None:
    with contextlib.suppress(InvalidRequest):
        sent = submission(body)
        assert 5 <= sent.request.options.execution_timeout_s <= 604_800
        assert 10 <= sent.request.options.ttl_s <= 604_800


@pytest.mark.parametrize("operation", ["run", "runsync"])
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "is empty"),
        (b"input=1", "is not valid JSON at line 1, column 1"),
        (b'{"input": {}', "is not valid JSON"),
        (b"[]", 'has to be a JSON object such as {"input": {...}}'),
        (b'"text"', "has to be a JSON object"),
        (b'{"input": {}, "input": {}}', "twice"),
        (b'{"input": {"a": NaN}}', "NaN"),
        (b"\xff", "not UTF-8"),
        (b"[" * 9_000, "nested too deeply"),
    ],
)
def test_bodies_that_cannot_be_read(
    client: httpx.Client, jobs: FakeJobs, operation: str, body: bytes, words: str
) -> None:
    assert words in sentence(client.post(f"/{operation}", content=body), 400)
    assert not jobs.jobs


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "application/x-www-form-urlencoded", "text/plain"]
)
def test_json_of_any_content_type(client: httpx.Client, jobs: FakeJobs, kind: str) -> None:
    """``curl -d`` says that it sends a form."""
    body = json.dumps({"input": {"prompt": "ü"}}).encode()
    assert client.post("/run", content=body, headers={"content-type": kind}).status_code == 200
    assert jobs.requests[jobs.only.id].input == {"prompt": "ü"}


def test_compressed_bodies_are_refused(client: httpx.Client) -> None:
    answer = client.post("/run", content=b"{}", headers={"content-encoding": "gzip"})
    assert "compressed" in sentence(answer, 415)


@pytest.mark.parametrize(("operation", "limit"), [("run", 10_000), ("runsync", 200_000)])
@pytest.mark.parametrize("declared", [True, False])
def test_bodies_that_are_too_large(
    client: httpx.Client, jobs: FakeJobs, operation: str, limit: int, declared: bool
) -> None:
    """However much is sent, the client gets to read the answer."""
    fits = json.dumps({"input": {"blob": "x" * (limit - 100)}}).encode()
    if operation == "run":
        assert client.post("/run", content=fits).status_code == 200
    before = len(jobs.jobs)
    for size in (limit + 1, 8 * 1024**2):
        body = b'{"input": {"blob": "' + b"x" * size + b'"}}'
        parts = [body[i : i + 65_536] for i in range(0, len(body), 65_536)]
        answer = client.post(f"/{operation}", content=body if declared else iter(parts))
        assert f"{limit} bytes" in sentence(answer, 413)
    assert len(jobs.jobs) == before
