"""Big results of jobs: uploaded to a real S3 server, with a link that works; and payloads kept in S3."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from moto.server import ThreadedMotoServer

from serve_app.config.jobs import PublishConfig
from serve_app.jobs.options import JobOptions, S3Target
from serve_app.jobs.outputs import Outputs
from tests.serve_app.jobs.support import Script, site_of, until

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "a-secret", "AWS_DEFAULT_REGION": "us-east-1"}
BIG = {"segments": ["ünïcödé" * 10] * 200}


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of moto's S3 with the buckets ``results`` and ``payloads``."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    client = boto3.client("s3")
    for bucket in ("results", "payloads"):
        client.create_bucket(Bucket=bucket)
    yield url
    server.stop()


def read(output: Any) -> Any:
    """What is behind the link of an output."""
    assert output.keys() == {"url", "bytes", "content_type"}
    answer = httpx.get(output["url"]).raise_for_status()
    assert answer.headers["content-type"] == output["content_type"] == "application/json"
    assert len(answer.content) == output["bytes"]
    return answer.json()


async def test_a_big_result_goes_where_the_job_says(tmp_path: Path, script: Script, s3: str) -> None:
    target = S3Target(s3, "test", "a-secret", "results", "of/mine")
    async with site_of(tmp_path, publish={"over_bytes": 1_000}) as site:
        options = JobOptions(s3=target, webhook="http://192.0.2.1/")
        job = await site.submit({"result": BIG}, options=options)
        output = (await site.end(job)).output
        assert read(output) == BIG
        assert f"/results/of/mine/{job.id}.json" in output["url"]
        small = await site.end(await site.submit({"result": {"text": "small"}}, options=options))
        assert small.output == {"text": "small"}
        chunked = await site.end(await site.submit({"chunk": BIG}, {"chunk": 2}, options=options))
        assert read(chunked.output) == [BIG, 2]
        assert "a-secret" not in repr(job)


async def test_a_big_file_is_uploaded_as_itself(tmp_path: Path, script: Script, s3: str) -> None:
    options = JobOptions(s3=S3Target(s3, "test", "a-secret", "results", "of/mine"))
    async with site_of(tmp_path, publish={"over_bytes": 1_000}) as site:
        big, small = ({"result": {"seconds": 5}, "file": "x" * size} for size in (1_001, 1_000))
        job = await site.submit(big, options=options)
        output = (await site.end(job)).output
        link = output.pop("file")
        assert output == {"seconds": 5}
        assert f"/results/of/mine/{job.id}.mp3" in link["url"]
        answer = httpx.get(link["url"]).raise_for_status()
        assert (answer.text, answer.headers["content-type"]) == ("x" * 1_001, "audio/mpeg")
        assert (link["bytes"], link["content_type"]) == (1_001, "audio/mpeg")
        for steps, more in ((small, options), (big, JobOptions()), (big, replace(options, inline=True))):
            output = (await site.end(await site.submit(steps, options=more))).output
            assert (base64.b64decode(output["file"]).decode(), output["seconds"]) == (steps["file"], 5)


async def test_a_big_result_goes_where_the_environment_says(tmp_path: Path, script: Script, s3: str) -> None:
    environment = {
        "UPLOAD_MODE": "s3",
        "BUCKET_ENDPOINT_URL": s3,
        "BUCKET_ACCESS_KEY_ID": "test",
        "BUCKET_SECRET_ACCESS_KEY": "a-secret",
        "BUCKET_NAME": "results",
    }
    async with site_of(tmp_path, runners=0, publish={"over_bytes": 1_000}) as site:
        site.environment = environment
        site.start_runner()
        assert read((await site.end(await site.submit({"result": BIG}))).output) == BIG
        assert read((await site.end(await site.submit({"chunk": BIG}))).output) == [BIG]


async def test_a_wrong_bucket_fails_the_job_with_a_sentence(tmp_path: Path, script: Script, s3: str) -> None:
    async with site_of(tmp_path, publish={"over_bytes": 1_000}) as site:
        target = S3Target(s3, "test", "a-secret", "nowhere")
        done = await site.end(await site.submit({"result": BIG}, options=JobOptions(s3=target)))
        assert (done.status, done.error_status) == ("FAILED", 400)
        assert "a-secret" not in str(done.error)
        assert "bucket" in str(done.error)


async def test_payloads_can_live_in_s3(
    tmp_path: Path, script: Script, s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve_app.jobs.runner.CLEAN_S", 0.1)
    client = boto3.client("s3")

    def kept() -> int:
        return int(client.list_objects_v2(Bucket="payloads", Prefix="jobs/").get("KeyCount", 0))

    async with site_of(tmp_path, payloads="s3://payloads/jobs", inline_bytes=1_024, keep_s=1) as site:
        job = await site.submit({"chunk": BIG}, job_input={"more": json.dumps(BIG)})
        assert (await site.end(job)).output == [BIG]
        assert kept() == 2
        await until(lambda: kept() == 0)


def test_a_wrong_environment_is_told_at_the_start() -> None:
    with pytest.raises(ValueError, match="UPLOAD_MODE"):
        Outputs(PublishConfig(), (), {"UPLOAD_MODE": "ftp"})
