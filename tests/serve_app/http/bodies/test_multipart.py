"""How clients write the part with the file: taken, or refused with what to change."""

import base64
import time
from collections.abc import Mapping

import httpx
import pytest

from serve_app.http.bodies.multipart import LONGEST_PREAMBLE
from tests.serve_app.http.stub import PATH, StubGateway, app_of, client_of, message

AUDIO = b"RIFF" + bytes(range(256)) * 8
FORM = "multipart/form-data; boundary=XX"
MODEL = ('Content-Disposition: form-data; name="model"', b"whisper-1")
PLAIN = 'Content-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav'
LARGE = bytes(2 * 1024**2)


def body(*parts: tuple[str, bytes], end: str = "--\r\n") -> bytes:
    written = b"".join(
        b"--XX\r\n" + header.encode("latin-1") + b"\r\n\r\n" + data + b"\r\n" for header, data in parts
    )
    return written + b"--XX" + end.encode()


def part(*, name: str = 'name="file"', more: str = "", data: bytes = AUDIO) -> bytes:
    return body((f"Content-Disposition: form-data; {name}{more}", data), MODEL)


async def sent(content: bytes, headers: Mapping[str, str] | None = None) -> tuple[httpx.Response, StubGateway]:
    gateway = StubGateway()
    async with client_of(app_of(gateway)) as client:
        return await client.post(PATH, content=content, headers={"content-type": FORM, **(headers or {})}), gateway


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (body((PLAIN, AUDIO), MODEL), "Multipart/Form-Data; BOUNDARY=XX"),
        (body((PLAIN, AUDIO), MODEL), "multipart/form-data; charset=utf-8; boundary=XX"),
        (body((PLAIN, AUDIO), MODEL), "multipart/form-data;boundary=XX;"),
        (body((PLAIN, AUDIO), end="--"), FORM),
        (b"preamble text\r\n" + body((PLAIN, AUDIO)), FORM),
        (b"\r\n" + body((PLAIN, AUDIO)) + b"epilogue", FORM),
        (body(("Content-Disposition: form-data; name=file; filename=a.wav", AUDIO)), FORM),
        (body(("content-disposition: attachment; filename=a.wav; name=file", AUDIO)), FORM),
        (body((PLAIN + "\r\nContent-Transfer-Encoding: binary", AUDIO)), FORM),
        (body((PLAIN + f"\r\nContent-Length: {len(AUDIO)}", AUDIO)), FORM),
    ],
)
async def test_spellings_that_are_taken(content: bytes, kind: str) -> None:
    answer, gateway = await sent(content, {"content-type": kind})
    assert answer.status_code == 200, answer.text
    assert gateway.uploads[0] is not None
    assert gateway.uploads[0].data.tobytes() == AUDIO


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ("; filename*=UTF-8''%D7%A9%D7%9C%D7%95%D7%9D.wav", "שלום.wav"),
        ("; FileName*=utf-8'he'%D7%A9.wav", "ש.wav"),
        ("; filename*=\"UTF-8''na%C3%AFve.wav\"", "naïve.wav"),
        ("; filename*=ISO-8859-1''na%EFve.wav", "naïve.wav"),
        ("; filename*=UTF-8''..%2F..%5Cetc%2Fa%00%22;b.wav", 'a"'),
        ("; filename*=nonsense", None),
        ("; filename*=UTF-8''%D7%A9.wav; filename=\"plain.wav\"", "plain.wav"),
        ("; filename=\"a;b.wav\"", "a;b.wav"),
        ("; filename=\"C:\\\\x\\\\y.wav\"", "y.wav"),
        ("; filename=\"\"", None),
        ("\r\nContent-Type: audio/wav", None),
        ("\r\nContent-Type: video/mp4; codecs=mp4a", None),
        ("\r\nContent-Type: Application/Ogg", None),
        ("\r\nContent-Type: application/octet-stream", None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("data", [AUDIO, LARGE])
async def test_names_of_files(more: str, name: str | None, data: bytes) -> None:
    answer, gateway = await sent(part(more=more, data=data))
    assert answer.status_code == 200, answer.text
    assert gateway.request.file_name == name
    assert gateway.uploads[0] is not None
    assert len(gateway.uploads[0].data) == len(data)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (part(), "`file` is text; send it as a file, with a file name."),
        (part(more="\r\nContent-Type: text/plain"), "`file` is text; send it as a file, with a file name."),
        (part(data=LARGE), "The text of `file` exceeds 1024KB. If it is a file, send it with a file name."),
        (part(name='name="a; filename*=b"', data=LARGE), "The text of `a; filename*=b` exceeds 1024KB."),
        (part(more=f'; filename="{"x" * 5_000}.wav"'), "more than 4 KiB; send a shorter file name."),
        (part(more="".join(f"\r\nX-{number}: a" for number in range(20))), "A part has too many headers."),
        (body((PLAIN, AUDIO)).replace(b"\r\n", b"\n"), "Its lines have to end with CR LF"),
        (
            body((PLAIN, AUDIO)).replace(b"--XX\r\n", b"--XX  \r\n"),
            "those of the boundary right behind the boundary.",
        ),
        (b"--YY" + body((PLAIN, AUDIO))[4:-8], "It does not begin with the boundary that its Content-Type names."),
        (bytes(LONGEST_PREAMBLE) + b"\r\n" + body((PLAIN, AUDIO)), "It does not begin with the boundary"),
        (body((PLAIN, AUDIO))[:-8], "It ends before its closing boundary."),
        (body(("Content-Disposition: form-data", AUDIO)), '"name" must be provided'),
        (body(("Content Disposition: a", AUDIO)), "It is damaged."),
        (
            body((PLAIN + "\r\nContent-Transfer-Encoding: base64", base64.encodebytes(AUDIO))),
            "A part has `Content-Transfer-Encoding: base64`; send its bytes as they are.",
        ),
    ],
)
async def test_spellings_that_are_refused(content: bytes, sentence: str) -> None:
    answer, gateway = await sent(content)
    assert answer.status_code == 400
    assert sentence in message(answer)
    assert not gateway.requests


async def test_a_boundary_that_is_too_long() -> None:
    answer, _ = await sent(b"--" + b"x" * 300, {"content-type": f"multipart/form-data; boundary={'x' * 300}"})
    assert message(answer).endswith("Its boundary is longer than 256 characters.")


async def test_text_of_any_type_is_text() -> None:
    fields = [(f"{MODEL[0]}\r\nContent-Type: {kind}", b"whisper-1") for kind in ("text/plain", "application/json")]
    for field in (*fields, (f"{MODEL[0]}\r\nContent-Type: application/octet-stream", b"whisper-1")):
        answer, gateway = await sent(body((PLAIN, AUDIO), field))
        assert answer.status_code == 200, answer.text
        assert gateway.request.model == "whisper-1"


def parts_of(content: bytes, size: int) -> list[bytes]:
    return [content[start : start + size] for start in range(0, len(content), size)]


@pytest.mark.parametrize("size", [1, 2, 7, 64])
async def test_a_preamble_in_pieces(size: int) -> None:
    content = b"--X is not it\r\n--" + b"\r\n" + part(more="; filename*=UTF-8''a.wav")

    async def pieces():  # type: ignore[no-untyped-def]
        for piece in parts_of(content, size):
            yield piece

    gateway = StubGateway()
    async with client_of(app_of(gateway)) as client:
        answer = await client.post(PATH, content=pieces(), headers={"content-type": FORM})
    assert answer.status_code == 200, answer.text
    assert gateway.request.file_name == "a.wav"


async def test_hostile_headers_take_no_time() -> None:
    began = time.monotonic()
    for more in ('; a="' + "\\" * 4_000, ";" * 4_000, "; " + "a=" * 2_000, '; filename*="' * 300):
        await sent(part(more=more))
    assert time.monotonic() - began < 2
