"""What the ivrit contract refuses, in which words."""

import base64
from typing import Any

import pytest

from deployments.errors import AudioTooLong, ForbiddenUrl, InvalidRequest, ModelNotFound, PayloadTooLarge
from serve_app.contracts import by_name
from tests.serve_app.contracts.support import URL, context_of, items_of, refusal_of
from tests.serve_app.http.stub import StubGateway

IVRIT, LEGACY = by_name("ivrit"), by_name("ivrit-legacy")
MODEL = "sample-asr"


def of(**arguments: Any) -> dict[str, Any]:
    return {"model": MODEL, "streaming": True, "transcribe_args": arguments}


SENTENCES = [
    (
        {"engine": "whisper"},
        "engine should be 'faster-whisper' or 'stable-whisper', but is whisper instead.",
    ),
    ({"engine": "stable-whisper"}, "Model not provided."),
    ({}, "Model not provided."),
    ({"model": MODEL}, "transcribe_args field not provided."),
    ({"model": MODEL, "transcribe_args": {}}, "transcribe_args field not provided."),
    (of(language="he"), "transcribe_args must contain either 'blob' or 'url' field."),
    (of(url=None, blob=None), "transcribe_args must contain either 'blob' or 'url' field."),
    (
        of(url=URL, blob="AAAA"),
        "Cannot specify multiple input sources - path, url, and blob are mutually exclusive.",
    ),
    (of(url=[]), "Empty source list provided for 'url'."),
]


@pytest.mark.parametrize(("job_input", "sentence"), SENTENCES)
async def test_the_workers_own_sentences(job_input: dict[str, Any], sentence: str) -> None:
    assert await refusal_of(IVRIT, job_input) == sentence


OTHERS = [
    (of(url="file:///etc/passwd"), ForbiddenUrl, "http://"),
    (of(url="s3://bucket/key"), ForbiddenUrl, "http://"),
    (of(url=5), InvalidRequest, "`url`"),
    (of(url=URL + "a" * 9_000), InvalidRequest, "`url`"),
    (of(path="/etc/passwd"), InvalidRequest, "`path`"),
    (of(blob="no base64!"), InvalidRequest, "Failed to decode blob data: "),
    (of(blob="AAAAA"), InvalidRequest, "Failed to decode blob data: "),
    (of(blob="AAA=é"), InvalidRequest, "Failed to decode blob data: "),
    (of(blob={}), InvalidRequest, "Failed to decode blob data: "),
    (of(blob=""), InvalidRequest, "`blob` is empty"),
    (of(blob="A" * 500), PayloadTooLarge, "`blob`"),
    (of(url=URL, diarize=True), InvalidRequest, "`diarize`"),
    (of(url=URL, diarize="yes"), InvalidRequest, "`diarize`"),
    (of(url=URL, beam_size="many"), InvalidRequest, "`beam_size`"),
    (of(url=URL, beam_size=99), InvalidRequest, "`beam_size`"),
    (of(url=URL, initial_prompt=["a"]), InvalidRequest, "`initial_prompt`"),
    (of(url=URL, language="klingon"), InvalidRequest, "`language`"),
    (of(url=URL, task="sing"), InvalidRequest, "`task`"),
    (of(url=URL, output_options=[1]), InvalidRequest, "`output_options`"),
    (of(url=URL, chunk_length=10), InvalidRequest, "`chunk_length`"),
    (of(url=[URL] * 1_001), InvalidRequest, "1000"),
    ({"model": MODEL, "transcribe_args": "url"}, InvalidRequest, "transcribe_args"),
    ({"model": 5, "transcribe_args": {"url": URL}}, InvalidRequest, "`model`"),
    ({"model": "large-v9", "transcribe_args": {"url": URL}}, ModelNotFound, "'large-v9'"),
    ({"type": "blob", "data": ["AAAA"]}, InvalidRequest, "transcribe_args"),
]


@pytest.mark.parametrize(("job_input", "kind", "words"), OTHERS)
async def test_other_refusals(job_input: dict[str, Any], kind: type[Exception], words: str) -> None:
    gateway = StubGateway()
    with pytest.raises(kind, match=words.replace("(", r"\(")) as caught:
        await items_of(IVRIT, job_input, context_of(gateway, upload_bytes=300))
    assert getattr(caught.value, "message", "").endswith(".")
    assert gateway.active == 0


@pytest.mark.parametrize("harmless", [False, None, "false", "", 0])
async def test_a_diarize_that_asks_for_nothing(harmless: Any) -> None:
    assert await items_of(IVRIT, of(url=URL, diarize=harmless, diarization_args={"engine": "ivrit"}), context_of())


async def test_blobs_up_to_the_limit() -> None:
    for size in (298, 299, 300):
        blob = base64.b64encode(b"a" * size).decode()
        assert await items_of(IVRIT, of(blob=blob), context_of(upload_bytes=size))


async def test_lists_need_a_newer_client() -> None:
    assert "`-legacy`" in await refusal_of(LEGACY, of(url=[URL]))


async def test_a_bad_entry_of_a_list_is_its_own_affair() -> None:
    items: Any = await items_of(IVRIT, of(url=[URL, None, "ftp://a"]), context_of())
    failed = {item.lane: item.value[0]["data"] for item in items if item.value[0]["type"] == "error"}
    assert failed.keys() == {1, 2}
    assert "http://" in failed[2]


async def test_what_the_gateway_raises_comes_through() -> None:
    gateway = StubGateway((AudioTooLong("Too long."),))
    with pytest.raises(AudioTooLong):
        await items_of(IVRIT, of(url=URL), context_of(gateway))
