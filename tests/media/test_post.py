"""Posts to a real server on the loopback, which the policy has to allow."""

import asyncio
import re
import socket
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from media.errors import ClientError, ForbiddenUrl
from media.network import Resolver
from media.post import PostFailed, PostPolicy, post, retry_after
from tests.media.http_site import answer, serve

LOOPBACK = PostPolicy(allowed_networks=("127.0.0.0/8",), timeout_s=5)
BODY = b'{"status": "completed"}'


def resolver(answers: dict[str, Sequence[str]]) -> Resolver:
    async def resolve(host: str, port: int) -> Sequence[str]:
        if host not in answers:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return answers[host]

    return resolve


async def test_body_and_headers_arrive_as_they_are() -> None:
    body = bytes(range(256)) * 4_000
    received = asyncio.get_running_loop().create_future()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        assert length
        received.set_result((head.decode(), await reader.readexactly(int(length[1]))))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(take, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        url = f"http://hooks.test:{port}/a/b?key=1#part"
        sent = await post(
            url, body, {"webhook-id": "m1"}, LOOPBACK, resolve=resolver({"hooks.test": ["127.0.0.1"]})
        )
    assert (sent.status, sent.ok, sent.retry_after_s) == (204, True, None)
    head, got = received.result()
    assert got == body
    lines = head.splitlines()
    assert lines[0] == "POST /a/b?key=1 HTTP/1.1"
    assert {f"Host: hooks.test:{port}", "webhook-id: m1", f"Content-Length: {len(body)}"} <= set(lines)


@pytest.mark.parametrize(
    ("status", "ok"),
    [("200 OK", True), ("299 X", True), ("304 X", False), ("400 X", False), ("410 Gone", False), ("500 X", False)],
)
async def test_every_status_is_an_answer(status: str, ok: bool) -> None:
    async with serve({"/": answer(b"", status)}) as site:
        result = await post(site.url("/"), b"", {}, LOOPBACK)
    assert (result.status, result.ok) == (int(status[:3]), ok)


async def test_a_redirect_is_not_followed() -> None:
    async with serve({"/": answer(status="307 Temporary", Location="/next"), "/next": answer()}) as site:
        result = await post(site.url("/"), b"", {}, LOOPBACK)
    assert (result.status, result.ok, result.headers["location"]) == (307, False, "/next")
    assert len(site.requests) == 1


async def test_only_known_headers_are_kept() -> None:
    async with serve({"/": answer(Retry_After="7", Set_Cookie="a=b", Content_Type="x" * 9_000)}) as site:
        result = await post(site.url("/"), b"", {}, LOOPBACK)
    assert set(result.headers) == {"retry-after", "content-type"}
    assert len(result.headers["content-type"]) < 2_000
    assert result.retry_after_s == 7


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("file:///etc/passwd", "a file URL; only http and https URLs are called"),
        ("/hook", "a relative URL"),
        ("", "a relative URL"),
        ("http://user:pw@127.0.0.1/", "user name"),
        ("http://[::1/", "not a valid URL"),
        ("http://127.0.0.1:0/", "port"),
        ("http://example.com/\0", "not a valid URL"),
        ("http://example.com/\ud800", "not a valid URL"),
    ],
)
async def test_strange_urls_are_refused(url: str, reason: str) -> None:
    with pytest.raises(ForbiddenUrl, match=reason):
        await post(url, BODY, {}, LOOPBACK, resolve=resolver({}))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "10.0.0.1"]
)
async def test_addresses_inside_are_refused(host: str) -> None:
    async with serve({"/": answer()}) as site:
        with pytest.raises(ForbiddenUrl, match="public internet"):
            await post(f"http://{host}:{site.port}/", BODY, {}, PostPolicy(timeout_s=5))
    assert site.requests == []


async def test_a_second_dns_answer_is_never_asked_for() -> None:
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    async with serve({"/": answer()}) as site:
        await post(site.url("/", "rebind.test"), BODY, {}, LOOPBACK, resolve=rebinding)
    assert asked == ["rebind.test"]


async def test_unknown_hosts_and_closed_ports_are_told_by_name() -> None:
    with pytest.raises(PostFailed, match=r"nowhere\.test") as caught:
        await post("http://nowhere.test/", BODY, {}, LOOPBACK, resolve=resolver({}))
    assert isinstance(caught.value, ClientError)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://closed.test:{unused.getsockname()[1]}/"
        with pytest.raises(PostFailed, match=r"closed\.test does not accept") as caught:
            await post(url, BODY, {}, LOOPBACK, resolve=resolver({"closed.test": ["127.0.0.1"]}))
    assert "127.0.0.1" not in caught.value.message


@pytest.mark.parametrize("dribble", [b"", b"H", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: "])
async def test_a_slow_receiver_is_bounded_by_the_total_time(dribble: bytes) -> None:
    async def slow(writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(dribble)
            await writer.drain()
            await asyncio.sleep(0.05)

    async with serve({"/": slow}) as site:
        start = time.monotonic()
        with pytest.raises(PostFailed, match=r"did not answer in 0\.4 s|broke off"):
            await post(site.url("/"), BODY, {}, PostPolicy(timeout_s=0.4, allowed_networks=("127.0.0.0/8",)))
        assert time.monotonic() - start < 3


async def test_a_slow_resolver_is_bounded_as_well() -> None:
    async def never(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    with pytest.raises(PostFailed):
        await post("http://a.test/", BODY, {}, PostPolicy(timeout_s=0.2), resolve=never)


@pytest.mark.parametrize("rest", [b"", b"x" * 100])
async def test_a_status_counts_though_the_body_never_ends(rest: bytes) -> None:
    async def stalling(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 5000\r\n\r\n" + rest)
        await writer.drain()
        await asyncio.Event().wait()

    async with serve({"/": stalling}) as site:
        policy = PostPolicy(timeout_s=0.4, allowed_networks=("127.0.0.0/8",))
        assert (await post(site.url("/"), BODY, {}, policy)).status == 202


async def test_an_endless_answer_is_cut_off() -> None:
    sent = 0

    async def endless(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
            await writer.drain()
            sent += 0x10000

    async with serve({"/": endless}) as site:
        start = time.monotonic()
        assert (await post(site.url("/"), BODY, {}, LOOPBACK)).status == 200
        assert time.monotonic() - start < LOOPBACK.timeout_s
    assert sent < 100_000_000


@pytest.mark.parametrize("words", [b"SSH-2.0-OpenSSH_9.6\r\n\r\n", b""])
async def test_what_is_no_http_is_an_error(words: bytes) -> None:
    async def garbage(writer: asyncio.StreamWriter) -> None:
        writer.write(words)
        writer.close()

    async with serve({"/": garbage}) as site:
        with pytest.raises(PostFailed, match="broke off"):
            await post(site.url("/"), BODY, {}, LOOPBACK)


async def test_environment_proxies_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with serve({"/": answer()}) as site:
        assert (await post(site.url("/"), BODY, {}, LOOPBACK)).ok


async def test_a_policy_with_a_bad_network_fails_at_once() -> None:
    with pytest.raises(ValueError, match="private-net"):
        await post("http://a.test/", BODY, {}, PostPolicy(allowed_networks=("private-net",)))


NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        (format_datetime(datetime.fromtimestamp(NOW + 90, UTC), usegmt=True), 90),
        (format_datetime(datetime.fromtimestamp(NOW - 90, UTC), usegmt=True), 0),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("", None),
        ("²", None),
    ],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    assert retry_after(text, NOW) == seconds


@given(st.text() | st.from_regex(r"\A\w{3}, \d{1,3} \w{3} \d{1,6} \d\d:\d\d:\d\d [+-]?\w{0,6}\Z"))
@example("9" * 5_000)
@example("Sat, 01 Jan 0001 00:00:00 +2359")
def test_retry_after_survives_everything(text: str) -> None:
    seconds = retry_after(text, NOW)
    assert seconds is None or 0 <= seconds < float("inf")
