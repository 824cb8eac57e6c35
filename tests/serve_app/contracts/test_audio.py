"""Audio in the input of a job: what is taken for base64."""

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.errors import InvalidRequest
from serve_app.contracts.audio import audio_in
from serve_app.fields.audio import STEP

BLANKS = " \t\r\n\v\f\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2003\u2028\u2029\u202f\u205f\u3000"
BASE64 = re.compile(r"([\w+/]{4})+=*|([\w+/]{4})*([\w+/]{3}=|[\w+/]{2}==)", re.ASCII)  # what Python 3.11 decodes
LONG = bytes(range(256)) * (STEP // 128)


async def decoded(text: str) -> bytes:
    audio = await audio_in(text, "blob", 10 * STEP)
    assert audio.upload is not None
    return audio.upload.data.tobytes()


@pytest.mark.parametrize("blank", BLANKS)
async def test_every_unicode_blank_is_ignored(blank: str) -> None:
    assert await decoded(f"{blank}UklG{blank}Rg={blank}={blank}") == b"RIFF"


async def test_long_base64_in_lines() -> None:
    assert await decoded(base64.encodebytes(LONG).decode().replace("\n", "\u2028")) == LONG


@pytest.mark.parametrize(
    "text", ["UklGRklG=", "UklGRklG==", "UklGRklG = = = =", "data:audio/wav;base64,UklGRklG="]
)
async def test_padding_after_whole_groups_is_ignored(text: str) -> None:
    assert await decoded(text) == b"RIFFIF"


@pytest.mark.parametrize(
    "text",
    [
        "=",
        "====",
        "AAA",
        "AA=",
        "AAA==",
        "AA===",
        "AA====",
        "A===",
        "AA=A",
        "AAA=AAA=",
        "AAA=AAAA",
        "AA-_",
        "é",
        "\ud800",
    ],
)  # fmt: skip
async def test_what_is_no_base64(text: str) -> None:
    with pytest.raises(InvalidRequest, match="Failed to decode blob data: it is not valid base64"):
        await decoded(text)


@given(st.text("AQz=+/-\xa0 ", max_size=12))
async def test_any_text_is_decoded_or_refused(text: str) -> None:
    bare = "".join(text.split())
    if BASE64.fullmatch(bare):
        assert await decoded(text) == base64.b64decode(bare)
    else:
        with pytest.raises(InvalidRequest):
            await decoded(text)
