"""Whatever JSON comes in, every contract answers or refuses; nothing else ever leaves it."""

import asyncio
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from deployments.errors import AntiphonError, InvalidRequest
from serve_app.contracts import ALL, choose
from serve_app.contracts.contract import Notice
from serve_app.contracts.faster_whisper.input import SCHEMA
from serve_app.contracts.fish_speech.contract import SHAPE
from serve_app.contracts.options import OPTIONS
from tests.serve_app.contracts.support import URL, context_of
from tests.serve_app.http.speaking import SpeakingGateway

ROUTES = ("/v1/models", "/v1/moderations", "/v1/audio/transcriptions", "/v1/audio/speech", "/v1/tts")
TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["true", "no", "", " ", "-1", "0.2", "AAAA", "/v1/models", "blob", "url", URL, "he", "\ud800"]
    ),
)
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), TEXTS, st.sampled_from([10**400, -(2**63), 1e308])
)
KEYS = st.one_of(
    TEXTS,
    st.sampled_from(sorted(OPTIONS | SCHEMA.keys() | SHAPE)),
    st.sampled_from(
        ["url", "blob", "path", "file", "data", "model", "stream", "input", "output_options", "diarize"]
    ),
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=8
)
ARGUMENTS = st.dictionaries(KEYS, VALUES, max_size=5).map(lambda found: {"url": URL} | found)
SHAPED = st.fixed_dictionaries(
    {},
    optional={
        "engine": st.sampled_from(["faster-whisper", "stable-whisper"]) | VALUES,
        "model": st.just("sample-asr") | VALUES,
        "streaming": VALUES,
        "type": st.sampled_from(["blob", "url"]) | VALUES,
        "data": st.just("AAAA") | VALUES,
        "url": st.just(URL) | VALUES,
        "transcribe_args": ARGUMENTS | VALUES,
        "webhook_url": st.just(URL) | VALUES,
        "recording_id": VALUES,
        "audio": st.just(URL) | VALUES,
        "beam_size": VALUES,
        "temperature": VALUES,
        "temperature_increment_on_fallback": VALUES,
        "prompt": VALUES,
        "text": VALUES,
        "wrap": VALUES,
        "format": st.just("wav") | VALUES,
        "voice": VALUES,
        "references": st.just([{"audio": "AAAA", "text": "a"}]) | VALUES,
        "seed": VALUES,
        "prosody": VALUES,
        "openai_route": st.sampled_from(ROUTES) | VALUES,
        "openai_input": ARGUMENTS | VALUES,
        "openai_method": VALUES,
    },
)
INPUTS = SHAPED | st.dictionaries(KEYS, VALUES, max_size=5)


@given(INPUTS)
async def test_any_json(job_input: dict[str, Any]) -> None:
    context = context_of(SpeakingGateway(), upload_bytes=10_000)
    refusals: list[AntiphonError] = []
    for contract in ALL:
        assert isinstance(contract.accepts(job_input), bool)
        assert isinstance(contract.streams(job_input), bool)
        for notice in contract.failed(job_input, InvalidRequest("Wrong."), context):
            json.dumps(notice.payload, allow_nan=False)
        try:
            async with asyncio.timeout(10):
                async for item in contract.run(job_input, context):
                    json.dumps(item.payload if isinstance(item, Notice) else item.value, allow_nan=False)
        except AntiphonError as error:
            refusals.append(error)
    try:
        choose(job_input, None, None)
    except InvalidRequest as error:
        refusals.append(error)
    for refusal in refusals:
        assert refusal.message
        assert refusal.status < 500, refusal.message
