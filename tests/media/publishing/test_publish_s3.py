"""Publishing to real S3 servers: moto's, which checks signatures and keys like AWS, and scripted ones."""

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import httpx
import pytest
from botocore.config import Config
from moto import settings
from moto.core.authorization import ActionAuthenticatorMixin
from moto.server import ThreadedMotoServer

from media.errors import ClientError, PublishFailed
from media.publishing.publish import Publisher
from media.publishing.s3_bucket import find_bucket
from media.publishing.s3_upload import S3Destination
from media.publishing.upload import PublishPolicy
from tests.media.publishing.put_site import Reply, Upload, put_site

LOOPBACK = PublishPolicy(backoff_s=0.01, timeout_s=30, allowed_networks=("127.0.0.0/8",))
BODY = bytes(range(256)) * 4_000


class Store:
    """moto's S3 with the bucket ``talks``, and a user who may do everything."""

    def __init__(self, url: str) -> None:
        self.url = url
        iam = self.client("iam")
        iam.create_user(UserName="antiphon")
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        iam.put_user_policy(UserName="antiphon", PolicyName="all", PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName="antiphon")["AccessKey"]
        self.key_id, self.secret = key["AccessKeyId"], key["SecretAccessKey"]
        iam.create_user(UserName="stranger")
        key = iam.create_access_key(UserName="stranger")["AccessKey"]
        self.stranger = key["AccessKeyId"], key["SecretAccessKey"]
        self.client("s3").create_bucket(Bucket="talks")

    def client(self, service: Any) -> Any:
        return boto3.session.Session().client(
            service,
            endpoint_url=self.url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}),
        )

    def environment(self, **changes: str) -> dict[str, str]:
        usual = {
            "UPLOAD_MODE": "s3",
            "BUCKET_ENDPOINT_URL": self.url,
            "BUCKET_ACCESS_KEY_ID": self.key_id,
            "BUCKET_SECRET_ACCESS_KEY": self.secret,
            "BUCKET_AREA": "us-east-1",
            "BUCKET_NAME": "talks",
        }
        return {**usual, **changes}

    def target(self, **changes: str) -> dict[str, Any]:
        usual = {
            "endpoint_url": self.url,
            "access_id": self.key_id,
            "access_secret": self.secret,
            "bucket_name": "talks",
            "object_path": "",
        }
        return {**usual, "policy": LOOPBACK, **changes}


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield Store(f"http://{host}:{port}".replace("0.0.0.0", "127.0.0.1"))
    server.stop()


@pytest.fixture
def keys_are_checked(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0)
    monkeypatch.setattr(ActionAuthenticatorMixin, "request_count", 0)


async def read(url: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(url)


async def test_the_link_gives_the_file(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "sound"
    path.write_bytes(BODY)
    publisher = Publisher.from_environment(store.environment(BUCKET_PREFIX="/results/día 1/"), LOOPBACK)
    published = await publisher.publish(path, name="talk (1)+~'.mp3", content_type="audio/wav")
    assert (published.bytes, published.content_type) == (len(BODY), "audio/wav")
    answer = await read(published.url)
    assert answer.status_code == 200
    assert answer.content == BODY
    assert answer.headers["content-type"] == "audio/wav"
    [entry] = store.client("s3").list_objects_v2(Bucket="talks", Prefix="results/")["Contents"]
    assert entry["Key"] == "results/día 1/talk (1)+~'.wav"
    assert parse_qs(urlsplit(published.url).query)["X-Amz-Expires"] == ["604800"]


@pytest.mark.usefixtures("keys_are_checked")
async def test_the_signature_is_right_also_for_odd_names(store: Store) -> None:
    publisher = Publisher.from_environment(store.environment(), LOOPBACK)
    for name in ("plain", "día 1/talk (1)+~'", "a&b=c/d@e:f,g;h", "100%25"):
        published = await publisher.publish(b"x", name=name, content_type="text/plain; charset=utf-8")
        assert published.url.startswith(f"{store.url}/talks/")


async def test_a_request_names_its_own_bucket(store: Store) -> None:
    store.client("s3").create_bucket(Bucket="theirs")
    publisher = Publisher.for_client(**store.target(bucket_name="theirs", object_path="out"))
    published = await publisher.publish(b'{"a": 1}', name="job-u1", content_type="application/json")
    assert urlsplit(published.url).path == "/theirs/out/job-u1.json"
    assert (await read(published.url)).json() == {"a": 1}


@pytest.mark.usefixtures("keys_are_checked")
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"access_id": "AKIAUNKNOWN"}, "does not know the access key id"),
        ({"access_secret": "hush-hush"}, "The secret does not belong to the access key id"),
        ({"stranger": "yes"}, "does not let these keys write to the bucket 'talks'.*Allow s3:PutObject"),
    ],
)
async def test_wrong_keys(
    store: Store, wrong: dict[str, str], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    if wrong.pop("stranger", None):
        wrong = dict(zip(("access_id", "access_secret"), store.stranger, strict=True))
    target = store.target(**wrong)
    caplog.set_level(logging.INFO)
    with pytest.raises(ClientError, match=said) as caught:
        await Publisher.for_client(**target).publish(b"x", name="a", content_type="text/plain")
    assert caught.value.status == 400
    ours = store.environment(
        BUCKET_ACCESS_KEY_ID=target["access_id"], BUCKET_SECRET_ACCESS_KEY=target["access_secret"]
    )
    with pytest.raises(PublishFailed) as failed:
        await Publisher.from_environment(ours, LOOPBACK).publish(b"x", name="a", content_type="text/plain")
    assert store.url not in failed.value.message
    for text in (caught.value.message, failed.value.message, caplog.text):
        assert target["access_secret"] not in text
        assert target["access_id"] not in text
    assert said.split(".*")[0] in caplog.text


async def test_a_missing_bucket(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(
        ClientError, match=r"no bucket 'nowhere' at 127\.0\.0\.1; check the bucket's name"
    ) as caught:
        await Publisher.for_client(**store.target(bucket_name="nowhere")).publish(
            b"x", name="a", content_type="text/plain"
        )
    assert caught.value.status == 400
    with pytest.raises(PublishFailed):
        await Publisher.from_environment(store.environment(BUCKET_NAME="nowhere"), LOOPBACK).publish(
            b"x", name="a", content_type="text/plain"
        )
    assert "no bucket 'nowhere'" in caplog.text


@pytest.mark.parametrize(("host", "addressing"), [("localhost", "virtual"), ("talks.localhost", None)])
async def test_a_bucket_in_the_host(store: Store, host: str, addressing: Any) -> None:
    async def here(host: str, port: int) -> list[str]:
        assert host == "talks.localhost"
        return ["127.0.0.1"]

    bucket = find_bucket(
        endpoint_url=store.url.replace("127.0.0.1", host),
        access_key_id=store.key_id,
        secret_access_key=store.secret,
        bucket="talks",
        addressing=addressing,
    )
    publisher = Publisher(S3Destination(bucket), LOOPBACK, resolve=here)
    published = await publisher.publish(BODY, name=f"in {host}", content_type="text/plain")
    assert urlsplit(published.url).hostname == "talks.localhost"
    kept = store.client("s3").get_object(Bucket="talks", Key=f"in {host}.txt")
    assert kept["Body"].read() == BODY


@pytest.mark.parametrize(
    ("given", "base", "region"),
    [
        ({"endpoint_url": "https://b1.s3.eu-north-1.amazonaws.com"}, "", "eu-north-1"),
        ({"endpoint_url": "https://b1.s3.eu-north-1.amazonaws.com/", "bucket": "b1"}, "", "eu-north-1"),
        ({"endpoint_url": "https://s3-eu-west-1.amazonaws.com", "bucket": "b1"}, "/b1", "eu-west-1"),
        ({"endpoint_url": "https://s3.dualstack.us-west-2.amazonaws.com", "bucket": "b1"}, "/b1", "us-west-2"),
        ({"endpoint_url": "https://s3.amazonaws.com", "bucket": "b1"}, "/b1", "us-east-1"),
        ({"endpoint_url": "https://s3.example.com", "bucket": "b1", "region": "mars-1"}, "/b1", "mars-1"),
        ({"endpoint_url": "http://minio:9000/base/", "bucket": "b1"}, "/base/b1", "us-east-1"),
        ({"endpoint_url": "http://[::1]:9000", "bucket": "B_1"}, "/B_1", "us-east-1"),
        (
            {"endpoint_url": "https://oss.example.com", "bucket": "b1", "addressing": "virtual"},
            "https://b1.oss.example.com",
            "us-east-1",
        ),
        (
            {"endpoint_url": "https://b1.example.com", "bucket": "b1", "addressing": "path"},
            "https://b1.example.com/b1",
            "us-east-1",
        ),
    ],
)
def test_where_a_bucket_is(given: dict[str, Any], base: str, region: str) -> None:
    bucket = find_bucket(access_key_id="a", secret_access_key="b", **given)
    if not base.startswith("http"):
        url = urlsplit(given["endpoint_url"])
        base = f"{url.scheme}://{url.netloc}{base}"
    assert (bucket.base, bucket.region) == (base, region)


def test_links_are_those_of_boto3() -> None:
    bucket = find_bucket(
        endpoint_url="https://s3.example.com:9000",
        access_key_id="AKIDEXAMPLE",
        secret_access_key="secret",
        bucket="talks",
        region="eu-north-1",
    )
    client = boto3.session.Session().client(
        "s3",
        endpoint_url="https://s3.example.com:9000",
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",
        region_name="eu-north-1",
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )
    for _ in range(10):  # the two may be signed in different seconds
        ours = bucket.link(bucket.object_url("día 1/a+b.wav"), 3_600)
        theirs = client.generate_presigned_url(
            "get_object", Params={"Bucket": "talks", "Key": "día 1/a+b.wav"}, ExpiresIn=3_600
        )
        if parse_qs(urlsplit(ours).query)["X-Amz-Date"] == parse_qs(urlsplit(theirs).query)["X-Amz-Date"]:
            break
    assert ours == theirs


@pytest.mark.parametrize("as_header", [True, False])
async def test_a_store_that_tells_the_region_is_believed(as_header: bool) -> None:
    def reply(_: int, upload: Upload) -> Reply:
        if "/eu-west-3/s3/" in upload.headers["authorization"]:
            return Reply()
        region = "" if as_header else "<Region>eu-west-3</Region>"
        headers = {"x-amz-bucket-region": "eu-west-3"} if as_header else {}
        return Reply(400, f"<Error><Code>AuthorizationHeaderMalformed</Code>{region}</Error>", headers)

    with put_site(reply) as site:
        publisher = Publisher.for_client(
            endpoint_url=site.url, access_id="a", access_secret="b", bucket_name="talks", policy=LOOPBACK
        )
        first = await publisher.publish(b"x", name="a", content_type="text/plain")
        await publisher.publish(b"x", name="b", content_type="text/plain")
    assert [upload.path for upload in site.uploads] == ["/talks/a.txt", "/talks/a.txt", "/talks/b.txt"]
    assert "%2Feu-west-3%2Fs3%2F" in first.url


@pytest.mark.parametrize("region", ["eu-west-3", "x/../y", ""])
async def test_a_store_that_is_never_content_is_left_alone(region: str) -> None:
    wrong = Reply(400, f"<Error><Code>AuthorizationHeaderMalformed</Code><Region>{region}</Region></Error>")
    with put_site(lambda *_: wrong) as site:
        publisher = Publisher.for_client(
            endpoint_url=site.url, access_id="a", access_secret="b", bucket_name="talks", policy=LOOPBACK
        )
        with pytest.raises(ClientError, match=r"HTTP status 400 \(AuthorizationHeaderMalformed\)"):
            await publisher.publish(b"x", name="a", content_type="text/plain")
    assert len(site.uploads) == (2 if region == "eu-west-3" else 1)


async def test_a_flaky_store_is_tried_again_and_signed_anew() -> None:
    slow_down = Reply(503, "<Error><Code>SlowDown</Code></Error>")
    timed_out = Reply(400, "<Error><Code>RequestTimeout</Code></Error>")
    replies = [slow_down, timed_out, Reply(broken=True), Reply()]
    with put_site(lambda number, _: replies[number]) as site:
        publisher = Publisher.for_client(
            endpoint_url=site.url, access_id="a", access_secret="b", bucket_name="talks", policy=LOOPBACK
        )
        await publisher.publish(BODY, name="a", content_type="audio/wav")
    assert [upload.body == BODY for upload in site.uploads] == [True] * 4
    assert all("x-amz-content-sha256" in upload.headers["authorization"] for upload in site.uploads)


async def test_a_store_that_stays_down_is_told_with_its_code() -> None:
    slow_down = Reply(503, "<Error><Code>SlowDown</Code><Message>secret\n</Message></Error>")
    with put_site(lambda *_: slow_down) as site:
        publisher = Publisher.for_client(
            endpoint_url=site.url,
            access_id="a",
            access_secret="b",
            bucket_name="talks",
            policy=replace(LOOPBACK, attempts=2),
        )
        with pytest.raises(ClientError, match=r"did not take the object: HTTP status 503 \(SlowDown\)\."):
            await publisher.publish(b"x", name="a", content_type="text/plain")
    assert len(site.uploads) == 2


async def test_a_redirect_of_a_clients_store_is_not_followed() -> None:
    with put_site(lambda *_: Reply()) as other:
        with put_site(lambda *_: Reply(307, headers={"Location": other.url})) as site:
            publisher = Publisher.for_client(
                endpoint_url=site.url, access_id="a", access_secret="b", bucket_name="talks", policy=LOOPBACK
            )
            with pytest.raises(ClientError, match="redirects; use the endpoint"):
                await publisher.publish(b"x", name="a", content_type="text/plain")
        assert other.uploads == []
