"""``POST /v1/vqgan/encode`` and ``/v1/vqgan/decode``: audio into codes, codes into sound."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from deployments.errors import InvalidRequest
from deployments.fish_speech.types import Decoded
from serve_app.concurrency import run_off_loop
from serve_app.fields.audio import AudioBytes, uploads_of
from serve_app.fields.model_fields import validated
from serve_app.gateway.gateway import Gateway
from serve_app.http.fish.bodies import read_fields
from serve_app.http.fish.replies import reply
from serve_app.http.query import reads_query
from serve_app.http.responses.disconnect import while_connected
from serve_app.tasks.speech.fish_fields import SERVED_MODEL, FishBody

MAX_FILES = 64
LARGEST_CODE = 2**31 - 1
ROWS = {"type": "array", "items": {"type": "array", "items": {"type": "integer", "minimum": 0}}}
TOKENS = {"type": "array", "items": ROWS, "minItems": 1, "maxItems": MAX_FILES}


class EncodeBody(FishBody):
    """Audio files to be encoded."""

    audios: list[AudioBytes] = Field(
        min_length=1, max_length=MAX_FILES, description="Audio files; in JSON as base64."
    )
    model: str | None = Field(None, max_length=256, description=SERVED_MODEL)


class DecodeBody(FishBody):
    """Codes to be decoded."""

    tokens: Annotated[list[Any], WithJsonSchema(TOKENS)] = Field(
        min_length=1, max_length=MAX_FILES, description="Codes: for every sound one list of numbers per codebook."
    )
    model: str | None = Field(None, max_length=256, description=SERVED_MODEL)


def routes(gateway: Gateway) -> list[BaseRoute]:
    """The two routes."""

    @reads_query("format")
    async def encode(request: Request) -> Response:
        body, uploads = await read_fields(request, _read_audios)
        codes = await while_connected(request.receive, gateway.encode_speech(uploads, body.model))
        return await run_off_loop(lambda: reply(request, {"tokens": [one.tolist() for one in codes]}), large=True)

    @reads_query("format")
    async def decode(request: Request) -> Response:
        body, codes = await read_fields(request, _read_codes)
        sounds = await while_connected(request.receive, gateway.decode_speech(codes, body.model))
        return await run_off_loop(lambda: _sounds(request, sounds), large=True)

    return [
        Route("/v1/vqgan/encode", encode, methods=["POST"]),
        Route("/v1/vqgan/decode", decode, methods=["POST"]),
    ]


def _read_audios(fields: Mapping[str, Any]) -> tuple[EncodeBody, Any]:
    body = validated(EncodeBody, fields)
    return body, uploads_of(body.audios)


def _read_codes(fields: Mapping[str, Any]) -> tuple[DecodeBody, list[NDArray[np.int32]]]:
    body = validated(DecodeBody, fields)
    return body, [_codes(one, number) for number, one in enumerate(body.tokens, 1)]


def _codes(rows: Any, number: int) -> NDArray[np.int32]:
    """Codes of shape (codebooks, frames). Raises InvalidRequest for anything else."""
    try:
        codes = np.asarray(rows)
    except ValueError:  # rows of different lengths
        codes = np.empty(0)
    if codes.ndim != 2 or not codes.size or codes.dtype.kind not in "iu":
        raise InvalidRequest(
            f"Entry {number} of `tokens` has to be equally long lists of whole numbers, one per codebook.",
            param="tokens",
        )
    if codes.min() < 0 or codes.max() > LARGEST_CODE:
        raise InvalidRequest(f"Entry {number} of `tokens` holds a number that is no code.", param="tokens")
    return codes.astype(np.int32)


def _sounds(request: Request, sounds: Sequence[Decoded]) -> Response:
    """Samples as float16, little endian. All of one model have the same rate."""
    audios = [sound.samples.astype("<f2").tobytes() for sound in sounds]
    return reply(request, {"audios": audios}, headers={"X-Sample-Rate": str(sounds[0].sample_rate)})
