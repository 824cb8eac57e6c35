"""Jobs as RunPod sends them, right or wrong."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.errors import InvalidRequest
from serve_app.runpod_worker import sent_job
from tests.serve_app.runpod_worker.any_json import JSON


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
