"""The job API in the OpenAPI document and on the page made from it."""

import json
import re
from typing import Any

import httpx
import pytest

from serve_app.config.app import HttpConfig
from serve_app.config.jobs import JobsConfig
from serve_app.http.app import create_app
from serve_app.http.openapi import openapi
from serve_app.keys import ApiKeys
from tests.serve_app.http.jobs.fake import FakeJobs
from tests.serve_app.http.stub import StubGateway, client_of


def test_the_document_describes_every_operation() -> None:
    app = create_app(StubGateway(), HttpConfig(), ApiKeys(), jobs=FakeJobs(), jobs_config=JobsConfig())
    paths = {re.sub(r"\{\w+:path\}", "{id}", route.path) for route in app.routes if "/v2" in route.path}  # type: ignore[attr-defined]
    document = openapi("1", jobs=True)
    assert paths == {path for path in document["paths"] if path.startswith("/v2")}
    assert not any(path.startswith("/v2") for path in openapi("1")["paths"])
    text = json.dumps(document)
    for section, name in re.findall(r'"\$ref": "#/components/(\w+)/(\w+)"', text):
        assert name in document["components"][section]
    operations = re.findall(r'"operationId": "(\w+)"', text)
    assert len(operations) == len(set(operations))


async def test_the_page_shows_it() -> None:
    app = create_app(StubGateway(), HttpConfig(), ApiKeys(), jobs=FakeJobs(), jobs_config=JobsConfig())
    async with client_of(app) as client:
        page = (await client.get("/docs")).text
    assert "/v2/{endpoint}/runsync" in page
    assert "<code>s3Config</code>" in page


def test_answers_fit_the_document(client: httpx.Client, jobs: FakeJobs) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="needs jsonschema")
    components = openapi("1", jobs=True)["components"]

    def check(answer: httpx.Response, schema: str) -> Any:
        root = {"$ref": f"#/components/schemas/{schema}", "components": components}
        jsonschema.validate(answer.json(), root)
        return answer.json()

    job = check(client.post("/run", json={"input": {}}), "JobStatus")["id"]
    jobs.change(job, status="COMPLETED", started=jobs.only.created, finished=jobs.only.created, output=[1])
    jobs.chunks[job] = [1]
    check(client.get(f"/status/{job}"), "Job")
    check(client.get(f"/stream/{job}"), "JobStream")
    check(client.get("/health"), "JobHealth")
    check(client.get("/requests"), "JobList")
    check(client.post(f"/cancel/{job}"), "JobStatus")
    check(client.post(f"/retry/{job}"), "JobError")
    check(client.post("/purge-queue"), "JobPurge")
    batch = check(client.post("/batch", json=[{}]), "JobBatchStatus")["id"]
    check(client.get("/batch"), "JobBatchList")
    check(client.get(f"/batch/{batch}"), "JobBatch")
    entry = check(client.get(f"/batch/{batch}/requests"), "JobBatchPage")["requests"][0]["id"]
    check(client.put(f"/batch/{batch}/requests/{entry}", json={}), "JobBatchRequest")
    check(client.post(f"/batch/{batch}/finalize"), "JobBatchStatus")
