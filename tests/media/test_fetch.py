"""Downloads from a real server on the loopback, which the policy has to allow."""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from media import fetch as fetch_module
from media.errors import FetchFailed, ForbiddenUrl, PayloadTooLarge
from media.fetch import FetchPolicy, fetch
from media.network import Resolver
from tests.media.http_site import answer, redirect, serve

LOOPBACK = FetchPolicy(allowed_networks=("127.0.0.0/8",), timeout_s=10, connect_timeout_s=5)


def limited(**limits: float) -> FetchPolicy:
    return FetchPolicy(**{"allowed_networks": ("127.0.0.0/8",), "timeout_s": 10.0, **limits})  # type: ignore[arg-type]


def resolver(answers: dict[str, Sequence[str]]) -> Resolver:
    async def resolve(host: str, port: int) -> Sequence[str]:
        if host not in answers:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return answers[host]

    return resolve


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "sound.bin"


@pytest.fixture
def left_behind(tmp_path: Path) -> Callable[[], list[str]]:
    return lambda: sorted(path.name for path in tmp_path.iterdir())


async def test_a_file_arrives_whole(target: Path, left_behind: Callable[[], list[str]]) -> None:
    body = bytes(range(256)) * 20_000
    seen: list[tuple[int, int | None]] = []
    async with serve({"/a/talk%20one.mp3?key=1": answer(body, Content_Type="Audio/MPEG; x=1")}) as site:
        url = site.url("/a/talk one.mp3?key=1#t=3")
        fetched = await fetch(url, target, LOOPBACK, on_progress=lambda *step: seen.append(step))
    assert target.read_bytes() == body
    assert (fetched.path, fetched.size, fetched.content_type) == (target, len(body), "audio/mpeg; x=1")
    assert seen[-1] == (len(body), len(body))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert "accept-encoding: identity" in site.requests[0].lower()
    assert left_behind() == [target.name]


async def test_an_existing_file_is_replaced_only_by_a_complete_one(target: Path) -> None:
    target.write_bytes(b"old")
    async with serve({"/good": answer(b"new"), "/bad": answer(b"", "404 Not Found")}) as site:
        with pytest.raises(FetchFailed):
            await fetch(site.url("/bad"), target, LOOPBACK)
        assert target.read_bytes() == b"old"
        await fetch(site.url("/good"), target, LOOPBACK)
    assert target.read_bytes() == b"new"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("file:///etc/passwd", "a file URL"),
        ("ftp://example.com/a.wav", "a ftp URL"),
        ("gopher://example.com/", "a gopher URL"),
        ("data:audio/wav;base64,AAAA", "a data URL"),
        ("/etc/passwd", "a relative URL"),
        ("//example.com/a.wav", "a relative URL"),
        ("example.com/a.wav", "a relative URL"),
        ("", "a relative URL"),
        ("http://", "without a host"),
        ("http:///a.wav", "without a host"),
        ("http://user:pw@example.com/", "user name"),
        ("http://example.com@127.0.0.1/", "user name"),
        ("http://example.com\\@127.0.0.1/", "user name"),
        ("http://[::1/", "not a valid URL"),
        ("http://exa\nmple.com/", "not a valid URL"),
        ("http://300.1.1.1/", "not a valid URL"),
        ("http://0177.0.0.1/", "not a valid URL"),
        ("http://example.com:x/", "not a valid URL"),
        ("http://example.com:0/", "port"),
        ("http://example.com:70000/", "port"),
    ],
)
async def test_strange_urls_are_refused(target: Path, url: str, reason: str) -> None:
    with pytest.raises(ForbiddenUrl, match=reason):
        await fetch(url, target, LOOPBACK, resolve=resolver({}))


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "2130706433", "0x7f000001", "127.1", "0.0.0.0", "0"),
        *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]"),
        *("169.254.169.254", "10.0.0.1", "192.168.0.1", "[fe80::1]", "[fd00:ec2::254]"),
    ],
)
async def test_addresses_inside_are_refused(target: Path, host: str) -> None:
    async with serve({"/": answer(b"secret")}) as site:
        with pytest.raises(ForbiddenUrl, match="public internet"):
            await fetch(f"http://{host}:{site.port}/", target, FetchPolicy(timeout_s=10))
    assert site.requests == []
    assert not target.exists()


async def test_one_private_address_among_public_ones_forbids_the_host(target: Path) -> None:
    resolve = resolver({"mixed.test": ["8.8.8.8", "10.0.0.1"]})
    with pytest.raises(ForbiddenUrl, match=r"mixed\.test") as caught:
        await fetch("http://mixed.test/", target, LOOPBACK, resolve=resolve)
    assert "10.0" not in caught.value.message


async def test_a_second_dns_answer_is_never_asked_for(target: Path) -> None:
    """DNS rebinding: the check sees one address, a later look-up would see another."""
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    async with serve({"/": answer(b"fine")}) as site:
        await fetch(site.url("/", "rebind.test"), target, LOOPBACK, resolve=rebinding)
    assert asked == ["rebind.test"]
    assert target.read_bytes() == b"fine"
    assert f"Host: rebind.test:{site.port}" in site.requests[0]


async def test_the_next_address_is_tried_when_one_refuses(target: Path) -> None:
    resolve = resolver({"two.test": ["127.0.0.2", "127.0.0.1"]})  # nobody listens on the first
    async with serve({"/": answer(b"fine")}) as site:
        await fetch(site.url("/", "two.test"), target, LOOPBACK, resolve=resolve)
    assert target.read_bytes() == b"fine"


async def test_unknown_hosts_are_reported_by_name(target: Path) -> None:
    with pytest.raises(FetchFailed, match=r"nowhere\.test"):
        await fetch("http://nowhere.test/", target, LOOPBACK, resolve=resolver({}))
    with pytest.raises(FetchFailed, match=r"empty\.test"):
        await fetch("http://empty.test/", target, LOOPBACK, resolve=resolver({"empty.test": []}))


async def test_a_closed_port_is_reported_without_its_address(target: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://closed.test:{unused.getsockname()[1]}/"
        with pytest.raises(FetchFailed, match=r"closed\.test") as caught:
            await fetch(url, target, LOOPBACK, resolve=resolver({"closed.test": ["127.0.0.1"]}))
    assert "127.0.0.1" not in caught.value.message


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_redirects_are_followed(target: Path, status: str) -> None:
    routes = {"/a/b": redirect("../c?x=1", status), "/c?x=1": answer(b"here")}
    async with serve(routes) as site:
        await fetch(site.url("/a/b"), target, LOOPBACK)
    assert target.read_bytes() == b"here"


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("file:///etc/passwd", "redirect leads to a file URL"),
        ("//u:p@example.com/", "redirect leads to a URL with a user name"),
        ("http://169.254.169.254/latest/meta-data/", "public internet"),
        ("http://internal.test/", "public internet"),
        ("http://[::1]/", "public internet"),
        ("http://[::1/", "not a valid URL"),
    ],
)
async def test_redirects_are_checked_like_first_urls(target: Path, location: str, reason: str) -> None:
    resolve = resolver(
        {"site.test": ["127.0.0.1"], "internal.test": ["10.0.0.7"]}
        | {literal: [literal] for literal in ("169.254.169.254", "::1")}
    )
    async with serve({"/": redirect(location)}) as site:
        with pytest.raises(ForbiddenUrl, match=reason):
            await fetch(site.url("/", "site.test"), target, LOOPBACK, resolve=resolve)


async def test_redirect_loops_end(target: Path) -> None:
    async with serve({"/": redirect("/")}) as site:
        with pytest.raises(FetchFailed, match="redirects more than 5 times"):
            await fetch(site.url("/"), target, LOOPBACK)
    assert len(site.requests) == 6


@pytest.mark.parametrize("status", ["404 Not Found", "403 Forbidden", "500 Oops", "304 Not Modified", "206 Part"])
async def test_other_statuses_fail_by_number(target: Path, status: str) -> None:
    async with serve({"/x": answer(b"", status)}) as site:
        with pytest.raises(FetchFailed, match=rf"127\.0\.0\.1 answered with HTTP status {status[:3]}"):
            await fetch(site.url("/x"), target, LOOPBACK)


async def test_an_announced_size_is_checked_before_the_body(target: Path) -> None:
    async with serve({"/x": answer(b"x" * 2000)}) as site:
        with pytest.raises(PayloadTooLarge, match="2000 bytes, but at most 1000"):
            await fetch(site.url("/x"), target, limited(max_bytes=1000))
        assert (await fetch(site.url("/x"), target, limited(max_bytes=2000))).size == 2000


async def test_an_endless_body_is_cut_off(target: Path, left_behind: Callable[[], list[str]]) -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
            await writer.drain()

    async with serve({"/x": endless}) as site:
        with pytest.raises(PayloadTooLarge, match="at most 3000000"):
            await fetch(site.url("/x"), target, limited(max_bytes=3_000_000))
    assert left_behind() == []


async def test_a_body_that_breaks_off_is_an_error(target: Path, left_behind: Callable[[], list[str]]) -> None:
    async def truncated(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 2000)
        await writer.drain()
        writer.close()

    async with serve({"/x": truncated}) as site:
        with pytest.raises(FetchFailed, match="broke off"):
            await fetch(site.url("/x"), target, LOOPBACK)
    assert left_behind() == []


async def test_an_empty_body_is_an_error(target: Path, left_behind: Callable[[], list[str]]) -> None:
    async with serve({"/x": answer(b"")}) as site:
        with pytest.raises(FetchFailed, match="empty file"):
            await fetch(site.url("/x"), target, LOOPBACK)
    assert left_behind() == []


async def test_garbage_instead_of_http_is_an_error(target: Path) -> None:
    async def garbage(writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")

    async with serve({"/x": garbage}) as site:
        with pytest.raises(FetchFailed, match="broke off"):
            await fetch(site.url("/x"), target, LOOPBACK)


async def test_compressed_bodies_are_refused(target: Path) -> None:
    async with serve({"/x": answer(b"\x1f\x8b", Content_Encoding="GZIP")}) as site:
        with pytest.raises(FetchFailed, match="compressed"):
            await fetch(site.url("/x"), target, LOOPBACK)


@pytest.mark.parametrize("dribble", [b"X", b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"])
async def test_a_dribbling_server_is_bounded_by_the_total_time(
    target: Path, dribble: bytes, left_behind: Callable[[], list[str]]
) -> None:
    async def slow(writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(dribble)
            await writer.drain()
            await asyncio.sleep(0.05)

    async with serve({"/x": slow}) as site:
        start = time.monotonic()
        with pytest.raises(FetchFailed, match=r"in 0\.4 s"):
            await fetch(site.url("/x"), target, limited(timeout_s=0.4))
        assert time.monotonic() - start < 3
    assert left_behind() == []


async def test_a_silent_server_is_given_up_earlier(target: Path) -> None:
    async def silent(writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with serve({"/x": silent}) as site:
        with pytest.raises(FetchFailed, match="fell silent"):
            await fetch(site.url("/x"), target, limited(read_timeout_s=0.2))


async def test_cancelling_leaves_nothing_behind(target: Path, left_behind: Callable[[], list[str]]) -> None:
    begun = asyncio.Event()

    async def stalling(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 3_000_000)
        await writer.drain()
        await asyncio.Event().wait()

    async with serve({"/x": stalling}) as site:
        download = asyncio.create_task(
            fetch(site.url("/x"), target, LOOPBACK, on_progress=lambda done, _: done > 2_000_000 and begun.set())
        )
        await begun.wait()
        assert len(left_behind()) == 1
        download.cancel()
        with pytest.raises(asyncio.CancelledError):
            await download
    assert left_behind() == []


async def test_environment_proxies_are_ignored(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with serve({"/x": answer(b"direct")}) as site:
        assert (await fetch(site.url("/x"), target, LOOPBACK)).size == 6


async def test_many_downloads_share_the_loop(tmp_path: Path) -> None:
    async with serve({f"/{i}": answer(bytes([i]) * 200_000) for i in range(20)}) as site:
        await asyncio.gather(*(fetch(site.url(f"/{i}"), tmp_path / str(i), LOOPBACK) for i in range(20)))
    assert all((tmp_path / str(i)).read_bytes() == bytes([i]) * 200_000 for i in range(20))


@pytest.fixture
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a self-signed certificate for audio.test, trusted by nobody yet."""
    x509 = pytest.importorskip("cryptography.x509", reason="needs the cryptography package")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "audio.test")])
    now = datetime.now(UTC)
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(1).not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
    built = built.add_extension(x509.SubjectAlternativeName([x509.DNSName("audio.test")]), critical=False)
    built = built.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    pem = tmp_path_factory.mktemp("tls") / "audio.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    )
    return pem


async def test_tls_verifies_the_host_name_not_the_address(
    target: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    names: list[str | None] = []
    tls.sni_callback = lambda _socket, name, _context: names.append(name)
    trusting = ssl.create_default_context(cafile=certificate)
    resolve = resolver({name: ["127.0.0.1"] for name in ("audio.test", "other.test")})
    async with serve({"/x": answer(b"private")}, tls) as site:
        with pytest.raises(FetchFailed, match=r"audio\.test failed the TLS handshake"):  # not trusted
            await fetch(site.url("/x", "audio.test", "https"), target, LOOPBACK, resolve=resolve)
        monkeypatch.setattr(fetch_module, "ssl_context", lambda: trusting)
        await fetch(site.url("/x", "audio.test", "https"), target, LOOPBACK, resolve=resolve)
        assert target.read_bytes() == b"private"
        with pytest.raises(FetchFailed, match=r"other\.test failed the TLS handshake"):
            await fetch(site.url("/x", "other.test", "https"), target, LOOPBACK, resolve=resolve)
    assert names == ["audio.test", "audio.test", "other.test"]


def test_a_policy_with_a_bad_network_fails_at_once(target: Path) -> None:
    with pytest.raises(ValueError, match="private-net"):
        asyncio.run(fetch("http://a.test/", target, FetchPolicy(allowed_networks=("private-net",))))


@pytest.mark.parametrize("url", ["http://xn--a/", "http://xn--zzzzzz99999.com/", f"http://{'a.' * 4_000}b/"])
async def test_hosts_that_are_no_names_are_refused(target: Path, url: str) -> None:
    with pytest.raises(ForbiddenUrl):
        await fetch(url, target, LOOPBACK)
