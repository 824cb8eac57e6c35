"""Publishing, whatever the destination: what the environment says, names, inline results, forbidden addresses."""

import base64
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.errors import ClientError, ForbiddenUrl, PayloadTooLarge
from media.publishing.publish import Publisher
from media.publishing.result_names import checked_path, named_for
from media.publishing.upload import PublishPolicy
from tests.media.publishing.put_site import Reply, put_site

QUICK = PublishPolicy(backoff_s=0.01, timeout_s=20, connect_timeout_s=5, silence_timeout_s=5)
KEYS = {"BUCKET_ACCESS_KEY_ID": "AKIDEXAMPLE", "BUCKET_SECRET_ACCESS_KEY": "hush-hush"}
S3 = {"UPLOAD_MODE": "s3", "BUCKET_ENDPOINT_URL": "https://talks.s3.eu-north-1.example.com", **KEYS}


def transfersh(url: str, policy: PublishPolicy = QUICK) -> Publisher:
    return Publisher.from_environment({"UPLOAD_MODE": "transfersh", "TRANSFERSH_URL": url}, policy)


@pytest.mark.parametrize(
    "environment", [{}, {"UPLOAD_MODE": ""}, {"BUCKET_ENDPOINT_URL": "https://x.example.com"}]
)
async def test_without_a_mode_results_stay_inline(environment: dict[str, str], tmp_path: Path) -> None:
    publisher = Publisher.from_environment(environment)
    assert publisher.inline
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF\x00\xff")
    for content in (path, path.read_bytes()):
        published = await publisher.publish(content, name="a", content_type="audio/wav")
        assert (published.bytes, published.content_type) == (6, "audio/wav")
        head, data = published.url.split(",")
        assert head == "data:audio/wav;base64"
        assert base64.b64decode(data) == b"RIFF\x00\xff"


async def test_an_inline_result_has_a_limit() -> None:
    publisher = Publisher(None, PublishPolicy(max_inline_bytes=10))
    await publisher.publish(b"x" * 10, name="a", content_type="text/plain")
    with pytest.raises(PayloadTooLarge, match=r"has 11 bytes.* at most 10"):
        await publisher.publish(b"x" * 11, name="a", content_type="text/plain")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"UPLOAD_MODE": "S3"}, "UPLOAD_MODE is 'S3'; set it to s3 or transfersh"),
        ({"BUCKET_ENDPOINT_URL": ""}, "set BUCKET_ENDPOINT_URL"),
        ({"BUCKET_ACCESS_KEY_ID": "", "BUCKET_SECRET_ACCESS_KEY": ""}, "BUCKET_ACCESS_KEY_ID and BUCKET_SECRET"),
        ({"BUCKET_ENDPOINT_URL": "s3://talks"}, "only http and https .* Change the BUCKET_ variables"),
        ({"BUCKET_ENDPOINT_URL": "https://a:b@s3.example.com"}, "user name or password"),
        ({"BUCKET_ENDPOINT_URL": "https://s3.example.com/?list=1"}, "question mark"),
        ({"BUCKET_ENDPOINT_URL": "http://10.0.0.7:9000"}, "name the bucket"),
        ({"BUCKET_ENDPOINT_URL": "http://localhost:9000"}, "name the bucket"),
        ({"BUCKET_ENDPOINT_URL": "https://s3.eu-north-1.amazonaws.com"}, "name the bucket"),
        ({"BUCKET_ADDRESSING": "path"}, "name the bucket"),
        ({"BUCKET_ADDRESSING": "Virtual"}, "BUCKET_ADDRESSING is 'Virtual'"),
        ({"BUCKET_NAME": "my bucket"}, "letters, digits"),
        ({"BUCKET_NAME": ".."}, "letters, digits"),
        ({"BUCKET_AREA": "eu north"}, "region"),
        ({"BUCKET_PREFIX": "a/../b"}, "object path"),
        ({"BUCKET_ACCESS_KEY_ID": "hush\nhush"}, "access key id"),
        ({"UPLOAD_MODE": "transfersh", "TRANSFERSH_URL": "ftp://x.example.com"}, "TRANSFERSH_URL"),
        ({"UPLOAD_MODE": "transfersh", "TRANSFERSH_URL": "hush-hush"}, "TRANSFERSH_URL"),
    ],
)
def test_a_wrong_environment_says_which_variable(changes: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        Publisher.from_environment({**S3, **changes})
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("policy", [{"link_s": 7 * 86_400 + 1}, {"link_s": 0}, {"attempts": 0}])
def test_a_policy_that_cannot_be_is_refused(policy: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="Links live 1 to 604800 s"):
        Publisher(None, PublishPolicy(**policy))  # type: ignore[arg-type]


def test_no_secret_is_shown() -> None:
    server = transfersh("https://me:hush-hush@files.example.com/sub/")
    bucket = Publisher.from_environment(S3)
    client = Publisher.for_client(
        endpoint_url="https://s3.example.com",
        access_id="AKIDEXAMPLE",
        access_secret="hush-hush",
        bucket_name="talks",
    )
    for publisher in (server, bucket, client):
        assert "hush" not in repr(publisher)
        assert "AKID" not in repr(publisher)
    assert "files.example.com" in repr(server)
    assert "talks.s3.eu-north-1.example.com" in repr(bucket)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"endpoint_url": "file:///etc/passwd"}, "only http and https"),
        ({"endpoint_url": ""}, "relative URL"),
        ({"endpoint_url": "https://s3.example.com:99999"}, "endpoint cannot be used"),
        ({"bucket_name": "", "endpoint_url": "http://203.0.113.9"}, "name the bucket"),
        ({"bucket_name": "../other"}, "letters, digits"),
        ({"object_path": "a//b"}, "object path"),
        ({"object_path": "a\nb"}, "object path"),
        ({"object_path": "ä" * 400}, "700 bytes"),
        ({"access_id": "hush hush"}, "access key id"),
        ({"access_secret": ""}, "secret access key"),
    ],
)
def test_a_clients_malformed_bucket_is_the_clients_mistake(changes: dict[str, str], said: str) -> None:
    whole: dict[str, Any] = {
        "endpoint_url": "https://s3.example.com",
        "access_id": "a",
        "access_secret": "hush",
        "bucket_name": "talks",
    }
    with pytest.raises(ClientError, match=said) as caught:
        Publisher.for_client(**{**whole, **changes})
    assert caught.value.status == 400
    assert "hush" not in caught.value.message


@pytest.mark.parametrize(
    ("name", "content_type", "expected"),
    [
        ("0e1f-u1", "audio/wav", "0e1f-u1.wav"),
        ("talk.mp3", "audio/wav", "talk.wav"),
        ("talk.WAV", "audio/wav", "talk.wav"),
        ("v1.2", "application/json", "v1.2.json"),
        ("out.json", "application/json; charset=utf-8", "out.json"),
        ("model.bin", "application/octet-stream", "model.bin"),
        ("a/b.d/c", "Audio/MPEG", "a/b.d/c.mp3"),
    ],
)
def test_names_get_the_extension_of_their_type(name: str, content_type: str, expected: str) -> None:
    assert named_for(name, content_type) == expected


@given(st.text(max_size=400))
def test_a_checked_path_stays_below_its_folder(text: str) -> None:
    with suppress(ValueError):
        path = checked_path(text, "It")
        assert not {".", ".."} & set(path.split("/"))
        assert not path.startswith("/")
        assert len(path.encode()) <= 300


@pytest.mark.parametrize("name", ["", "../x", "a\nb", "x" * 301])
async def test_a_name_that_cannot_be_is_the_callers_mistake(name: str) -> None:
    with put_site(lambda *_: Reply(text="https://x.example.com/a/b")) as site:
        with pytest.raises(ValueError, match="name"):
            await transfersh(site.url).publish(b"x", name=name, content_type="audio/wav")
        with pytest.raises(ValueError, match="content type"):
            await transfersh(site.url).publish(b"x", name="x", content_type="audio/wav\r\nX-Evil: 1")
        assert site.uploads == []


@pytest.mark.parametrize(
    "endpoint",
    ["http://127.0.0.1:9000", "http://169.254.169.254", "http://[::1]:9000", "http://[::ffff:10.0.0.1]"],
)
async def test_a_clients_private_endpoint_is_not_reached(endpoint: str) -> None:
    publisher = Publisher.for_client(
        endpoint_url=endpoint, access_id="a", access_secret="b", bucket_name="talks", policy=QUICK
    )
    with pytest.raises(ForbiddenUrl, match="not on the public internet"):
        await publisher.publish(b"x", name="a", content_type="audio/wav")


async def test_a_clients_endpoint_is_checked_at_every_connection() -> None:
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) > 1 else ["93.184.215.14", "10.0.0.1"]

    with put_site(lambda *_: Reply()) as site:
        endpoint = site.url.replace("127.0.0.1", "s3.rebinding.example")
        publisher = Publisher.for_client(
            endpoint_url=endpoint,
            access_id="a",
            access_secret="b",
            bucket_name="talks",
            policy=QUICK,
            resolve=rebinding,
        )
        for _ in range(2):
            with pytest.raises(ForbiddenUrl):
                await publisher.publish(b"x", name="a", content_type="audio/wav")
        assert site.uploads == []
    assert asked == ["s3.rebinding.example"] * 2


async def test_a_clients_unknown_host_is_the_clients_mistake() -> None:
    async def nowhere(host: str, port: int) -> list[str]:
        raise OSError("no such host")

    publisher = Publisher.for_client(
        endpoint_url="https://s3.example.com",
        access_id="a",
        access_secret="b",
        bucket_name="talks",
        policy=QUICK,
        resolve=nowhere,
    )
    with pytest.raises(ClientError, match=r"your S3 bucket. The host 's3.example.com' could not be found"):
        await publisher.publish(b"x", name="a", content_type="audio/wav")
