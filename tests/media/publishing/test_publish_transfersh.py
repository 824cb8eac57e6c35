"""Publishing to a transfer.sh server: links, retries, failures and their sentences."""

import asyncio
import base64
import logging
import threading
from pathlib import Path

import pytest

from deployments.errors import PublishFailed as PublishFailedOfTree
from media.errors import PayloadTooLarge, PublishFailed
from media.publishing.publish import Published, Publisher
from media.publishing.upload import PublishPolicy
from tests.media.publishing.put_site import Reply, put_site
from tests.media.publishing.test_publish import transfersh


async def test_a_file_goes_to_a_transfersh_server_whole(tmp_path: Path) -> None:
    body = bytes(range(256)) * 5_000
    path = tmp_path / "sound"
    path.write_bytes(body)

    def reply(_: int, upload: object) -> Reply:
        return Reply(text=f"{site.url}/sub/k3y/talk%20one.flac\n")

    with put_site(reply) as site:
        publisher = transfersh(site.url.replace("//", "//me:pass%20word@") + "/sub/")
        published = await publisher.publish(path, name="jobs/talk one.mp3", content_type="audio/flac")
    assert published == Published(f"{site.url}/sub/get/k3y/talk%20one.flac", len(body), "audio/flac")
    [upload] = site.uploads
    assert upload.path == "/sub/talk%20one.flac"
    assert upload.body == body
    assert upload.headers["content-type"] == "audio/flac"
    assert upload.headers["max-days"] == "7"
    assert upload.headers["host"] == site.url.removeprefix("http://")
    assert upload.headers["authorization"] == "Basic " + base64.b64encode(b"me:pass word").decode()


@pytest.mark.parametrize(
    ("answer", "link"),
    [
        ("https://t.example.com/k/a.wav", "https://t.example.com/get/k/a.wav"),
        ("https://t.example.com/get/k/a.wav", "https://t.example.com/get/k/a.wav"),
        ("https://t.example.com/x/y/k/a%2Fb.wav\r\n", "https://t.example.com/x/y/get/k/a%2Fb.wav"),
    ],
)
async def test_the_link_is_the_direct_one(answer: str, link: str) -> None:
    with put_site(lambda *_: Reply(text=answer)) as site:
        published = await transfersh(site.url).publish(b"x", name="a", content_type="audio/wav")
    assert published.url == link


@pytest.mark.parametrize(
    "answer",
    ["", "saved", "file:///k/a", "https://t.example.com/", "https://t.example.com/a", "https://t.e/a/b x"],
)
async def test_an_answer_without_a_link_is_a_failure(answer: str) -> None:
    with put_site(lambda *_: Reply(text=answer)) as site, pytest.raises(PublishFailed):
        await transfersh(site.url).publish(b"x", name="a", content_type="audio/wav")


async def test_a_server_that_stumbles_is_tried_again() -> None:
    replies = [Reply(503), Reply(broken=True), Reply(429), Reply(text="https://t.example.com/k/a.wav")]
    with put_site(lambda number, _: replies[number]) as site:
        published = await transfersh(site.url).publish(b"x" * 700_000, name="a", content_type="audio/wav")
    assert published.url == "https://t.example.com/get/k/a.wav"
    assert [len(upload.body) for upload in site.uploads] == [700_000] * 4


@pytest.mark.parametrize(("reply", "uploads"), [(Reply(500), 3), (Reply(broken=True), 3), (Reply(403), 1)])
async def test_what_does_not_recover_is_told_to_the_log(
    reply: Reply, uploads: int, caplog: pytest.LogCaptureFixture
) -> None:
    policy = PublishPolicy(backoff_s=0.01, attempts=3)
    with put_site(lambda *_: reply) as site, caplog.at_level(logging.DEBUG):
        publisher = transfersh(site.url.replace("//", "//me:hush@"), policy)
        with pytest.raises(PublishFailed) as caught:
            await publisher.publish(b"x", name="a", content_type="audio/wav")
    assert len(site.uploads) == uploads
    assert caught.value.status == 502
    assert (
        caught.value.message == "The result is ready, but this server's storage did not take it. Try again later."
    )
    [record] = [record for record in caplog.records if record.name == "media.publishing.publish"]
    assert "127.0.0.1" in record.getMessage()
    assert "hush" not in caplog.text
    assert PublishFailedOfTree is PublishFailed


async def test_a_redirect_is_not_followed() -> None:
    with put_site(lambda *_: Reply(text="https://x.example.com/k/a.wav")) as other:
        moved = Reply(307, headers={"Location": other.url})
        with put_site(lambda *_: moved) as site, pytest.raises(PublishFailed):
            await transfersh(site.url).publish(b"x", name="a", content_type="audio/wav")
        assert other.uploads == []


async def test_too_much_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    path = tmp_path / "big"
    with path.open("wb") as file:
        file.truncate(10**12)
    with put_site(lambda *_: Reply()) as site:
        with pytest.raises(PayloadTooLarge, match="1000000000000 bytes"):
            await transfersh(site.url).publish(path, name="a", content_type="audio/wav")
        assert site.uploads == []


async def test_a_missing_file_is_an_error_of_the_disk(tmp_path: Path) -> None:
    for publisher in (Publisher(), transfersh("http://127.0.0.1:1")):
        with pytest.raises(FileNotFoundError):
            await publisher.publish(tmp_path / "none", name="a", content_type="audio/wav")


@pytest.mark.parametrize("limits", [{"timeout_s": 0.2}, {"silence_timeout_s": 0.2, "attempts": 1}])
async def test_a_silent_server_is_not_waited_for(
    limits: dict[str, float], caplog: pytest.LogCaptureFixture
) -> None:
    release = threading.Event()

    def reply(*_: object) -> Reply:
        release.wait(20)
        return Reply()

    policy = PublishPolicy(**limits)  # type: ignore[arg-type]
    with put_site(reply) as site:
        work = transfersh(site.url, policy).publish(b"x", name="a", content_type="audio/wav")
        try:
            with pytest.raises(PublishFailed):
                await asyncio.wait_for(work, 10)
        finally:
            release.set()
    assert "0.2 s" in caplog.text or "silent" in caplog.text


async def test_nobody_listening_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with put_site(lambda *_: Reply()) as site:
        pass
    with pytest.raises(PublishFailed):
        await transfersh(site.url).publish(b"x", name="a", content_type="audio/wav")
    assert "does not accept connections" in caplog.text
