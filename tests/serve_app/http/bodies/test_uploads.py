"""Bodies: large, hostile, cut off, of the wrong kind."""

import contextlib
import mmap
import tempfile
from pathlib import Path

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serve_app.fields.form_values import MAX_FIELDS
from tests.serve_app.http.asgi_call import AsgiCall
from tests.serve_app.http.stub import PATH, WAV, StubGateway, app_of, client_of, message, multipart, post

LARGE = bytes(range(256)) * 12_000  # 3 MB: on disk


@pytest.mark.parametrize("data", [b"x", b"x" * 1024**2, b"x" * (1024**2 + 1), LARGE])
async def test_the_bytes_arrive(data: bytes) -> None:
    gateway = StubGateway()
    response = await post(gateway, files={"file": ("a.bin", data, "application/octet-stream")})
    assert response.status_code == 200
    (upload,) = gateway.uploads
    assert upload is not None
    assert (upload.data.dtype, upload.data.ndim) == (np.uint8, 1)
    assert type(upload.data) is np.ndarray
    assert upload.data.tobytes() == data


async def test_a_large_file_is_mapped_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    gateway = StubGateway()
    await post(gateway, files={"file": ("a.bin", LARGE)})
    (upload,) = gateway.uploads
    assert upload is not None
    assert isinstance(memoryview(upload.data).obj, np.ndarray)
    base = upload.data.base
    while isinstance(base, np.ndarray):
        base = base.base
    assert isinstance(base.obj if isinstance(base, memoryview) else base, mmap.mmap)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"file": ("a.wav", b"", "audio/wav")}, "The file is empty."),
        ({"other": WAV}, "The audio is missing: send it as `file`, or its address as `url`."),
        ({"file": (None, "RIFF")}, "`file` is text; send it as a file, with a file name."),
        ({"file": WAV, "language": WAV}, "`language` has to be text, not a file."),
        ([("file", WAV), ("file", WAV)], "`file` was sent 2 times; send one file per request."),
        ([("file", WAV)] * 17, "The form in the request body cannot be read: Too many files. "
                               "Maximum number of files is 16."),
    ],
)  # fmt: skip
async def test_files_that_cannot_be_taken(files: object, sentence: str) -> None:
    response = await post(StubGateway(), files=files)
    assert response.status_code == 400
    assert message(response) == sentence


@pytest.mark.parametrize(
    "content_type", ["application/json", "text/plain", "audio/wav", "", "multipart/mixed; boundary=x", "\xff"]
)
async def test_other_content_types(content_type: str) -> None:
    async with client_of(app_of(StubGateway())) as client:
        response = await client.post(
            PATH, content=b'{"url": ""}', headers=[("content-type", content_type.encode("latin-1"))]
        )
    assert response.status_code == 415
    assert "multipart/form-data" in message(response)


@pytest.mark.parametrize("charset", ["idna", "utf-7", "unicode_escape", "punycode", "zip", "no-such", "utf\0"])
async def test_odd_charsets(charset: str) -> None:
    headers, body = multipart({"prompt": "x"})
    headers["content-type"] += f"; charset={charset}"
    async with client_of(app_of(StubGateway())) as client:
        response = await client.post(PATH, content=body, headers=headers)
    assert response.status_code == 415
    assert "utf-8" in message(response)


@pytest.mark.parametrize("charset", ["utf-8", "UTF8", "iso-8859-1", "us-ascii"])
async def test_ordinary_charsets(charset: str) -> None:
    headers, body = multipart({"prompt": "x"})
    headers["content-type"] += f"; charset={charset}"
    async with client_of(app_of(StubGateway())) as client:
        assert (await client.post(PATH, content=body, headers=headers)).status_code == 200


@pytest.mark.parametrize(
    ("content_type", "sentence"),
    [
        ("multipart/form-data", "Missing boundary"),
        ("multipart/form-data; boundary=", "cannot be read"),
        ("multipart/form-data; boundary=other", "cannot be read"),
    ],
)
async def test_boundaries(content_type: str, sentence: str) -> None:
    _, body = multipart({})
    async with client_of(app_of(StubGateway())) as client:
        response = await client.post(PATH, content=body, headers={"content-type": content_type})
    assert response.status_code == 400
    assert sentence in message(response)


async def test_cut_off_bodies() -> None:
    headers, body = multipart({"language": "en"}, ("a.bin", LARGE[:2_000_000], "audio/wav"))
    app = app_of(StubGateway())
    async with client_of(app) as client:
        for size in (0, 1, 30, 100, 250, 1_500_000, len(body) - 4):
            cut = headers | {"content-length": str(size)}
            response = await client.post(PATH, content=body[:size], headers=cut)
            assert response.status_code == 400, size
            assert "cannot be read" in message(response)


async def test_text_fields_are_limited() -> None:
    long = await post(StubGateway(), {"prompt": "x" * 1_100_000})
    assert (long.status_code, "1024KB" in message(long)) == (400, True)
    many = await post(StubGateway(), {f"f{i}": "x" for i in range(MAX_FIELDS + 1)})
    assert (many.status_code, "Too many fields" in message(many)) == (400, True)
    together = await post(StubGateway(), {f"f{i}": "x" * 1_000_000 for i in range(5)})
    assert (together.status_code, "All text fields together" in message(together)) == (400, True)
    async with client_of(app_of(StubGateway())) as client:
        encoded = await client.post(PATH, data={f"f{i}": "x" * 1_000_000 for i in range(5)})
    assert (encoded.status_code, "All fields together" in message(encoded)) == (400, True)


async def test_hostile_names() -> None:
    gateway = StubGateway()
    body = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="../..\\\xff\xfe\x00\xe6.wav"\r\n'
        b"Content-Type: audio/l16;rate=16000\x01\r\n\r\nRIFF\r\n"
        b'--b\r\nContent-Disposition: form-data; name="\xff\xfe"\r\n\r\n\xff\xfe\r\n--b--\r\n'
    )
    async with client_of(app_of(gateway)) as client:
        kind = "multipart/form-data; boundary=b"
        response = await client.post(PATH, content=body, headers={"content-type": kind})
    assert response.headers["x-ignored-fields"] == "%C3%BF%C3%BE"
    assert (gateway.request.file_name, gateway.request.content_type) == ("ÿþæ.wav", "audio/l16;rate=16000")


async def test_lone_surrogates_come_back_as_question_marks() -> None:
    response = await post(StubGateway(), {"vad_parameters": r'{"threshold": "\ud800"}'})
    assert response.status_code == 400
    assert message(response).endswith("not '\\ud800'.")
    response = await post(StubGateway(), {"vad_parameters": r'{"\ud800": 1}'})
    assert response.status_code == 400


async def test_too_large_by_header_is_refused_before_the_body_is_read() -> None:
    call = AsgiCall(
        app_of(StubGateway(), upload_bytes=100),
        headers={"content-length": "101", "content-type": "multipart/form-data; boundary=x"},
    ).start()
    assert (await call.sent())["status"] == 413
    assert b'"code":"payload_too_large"' in (await call.sent())["body"]
    huge = AsgiCall(app_of(StubGateway()), headers={"content-length": "9" * 5_000}).start()
    assert (await huge.sent())["status"] == 413
    for refused in (call, huge):
        refused.leave()
        await refused.finished()


async def test_too_large_while_streaming() -> None:
    headers, body = multipart({}, ("a.bin", LARGE, "audio/wav"))
    del headers["content-length"]
    gateway = StubGateway()
    call = AsgiCall(app_of(gateway, upload_bytes=1_500_000), headers=headers).start()
    for offset in range(0, 1_600_000, 100_000):
        call.feed(body[offset : offset + 100_000], more=True)
    assert (await call.sent())["status"] == 413
    call.leave()
    await call.finished()
    assert not gateway.requests


async def test_exactly_the_limit_passes() -> None:
    _, body = multipart({})
    async with client_of(app_of(StubGateway(), upload_bytes=len(body))) as client:
        headers = {"content-type": "multipart/form-data; boundary=xXx"}
        assert (await client.post(PATH, content=body, headers=headers)).status_code == 200
        assert (await client.post(PATH, content=body + b"\n", headers=headers)).status_code == 413


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
async def test_a_damaged_body_is_never_our_fault(data: st.DataObject) -> None:
    headers, body = multipart({"language": "en", "temperature": "0.2"})
    damaged = bytearray(body)
    for _ in range(data.draw(st.integers(0, 4))):
        position = data.draw(st.integers(0, len(damaged) - 1))
        length = data.draw(st.integers(0, 8))
        damaged[position : position + length] = data.draw(st.binary(max_size=8))
    kind = data.draw(
        st.sampled_from([headers["content-type"], "application/x-www-form-urlencoded", "multipart/form-data"])
    )
    with contextlib.suppress(httpx.InvalidURL):
        async with client_of(app_of(StubGateway())) as client:
            response = await client.post(PATH, content=bytes(damaged), headers={"content-type": kind})
        assert response.status_code in (200, 400, 415)
