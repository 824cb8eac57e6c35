"""The fields of ``POST /v1/invoke``, fish-speech 1.1's only route, with its defaults and ranges."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from deployments.errors import InvalidRequest
from deployments.fish_speech.types import NumbersLanguage, SamplingOptions, TextFormat
from serve_app.fields.audio import AudioBytes
from serve_app.tasks.speech.fish_fields import (
    LONGEST_TRANSCRIPT,
    REPETITION_PENALTY,
    TEMPERATURE,
    TEXT_FORMAT,
    TOP_P,
    FishBody,
)
from serve_app.tasks.speech.fish_parse import LARGEST_MAX_NEW_TOKENS

DEMO_TEXT = "你说的对, 但是原神是一款由米哈游自主研发的开放世界手游."
REF_JSON, REF_BASE = "ref_data.json", "ref_data"


def _text(value: object) -> object:
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "Input should be a valid string")
    return value


class InvokeBody(FishBody):
    """One text to be spoken, as version 1.1 takes it. Every field may be left out."""

    text: str = Field(DEMO_TEXT, description="What to say.")
    text_format: TextFormat = Field("plain", description=TEXT_FORMAT)
    normalize: bool | NumbersLanguage = Field(
        False, description="`en`, or true: numbers are spelled out in English. Else they are left to the model."
    )
    reference_text: str | None = Field(
        None, max_length=LONGEST_TRANSCRIPT, description="What is said in the reference."
    )
    reference_audio: Annotated[AudioBytes, BeforeValidator(_text)] | None = Field(
        None, description="A recording of the voice: a file as base64."
    )
    max_new_tokens: int = Field(0, description="Most frames of one piece; 0 is as many as the model has room for.")
    chunk_length: int = Field(
        150, ge=0, le=500, strict=True, description="Longest piece in bytes of UTF-8; 0 cuts nothing."
    )
    top_p: float = Field(0.7, ge=0.1, le=1, strict=True, allow_inf_nan=False, description=TOP_P)
    repetition_penalty: float = Field(
        1.5, ge=0.9, le=2, strict=True, allow_inf_nan=False, description=REPETITION_PENALTY
    )
    temperature: float = Field(0.7, ge=0.1, le=1, strict=True, allow_inf_nan=False, description=TEMPERATURE)
    speaker: str | None = Field(
        None,
        max_length=128,
        description="A speaker that the model was trained with, and the library's voice of this name.",
    )
    emotion: str | None = Field(
        None,
        max_length=128,
        description="With `speaker`: the library's voice `speaker/emotion`, if it is there.",
    )
    format: Literal["wav", "mp3", "flac"] = Field("wav", description="The audio's format.")
    streaming: bool = Field(False, description="Whether to send audio while it is being made; with `wav` only.")
    ref_json: str | None = Field(
        REF_JSON, description="Refused unless it is the default: voices are found in the library."
    )
    ref_base: str | None = Field(
        REF_BASE, description="Refused unless it is the default: voices are found in the library."
    )

    def check(self) -> None:
        """Raise InvalidRequest for what cannot be honoured."""
        if self.streaming and self.format != "wav":
            raise InvalidRequest("Streaming only supports WAV format", param="streaming")
        for name, value, default in (("ref_json", self.ref_json, REF_JSON), ("ref_base", self.ref_base, REF_BASE)):
            if value not in (None, default):
                raise InvalidRequest(
                    f"`{name}` cannot be chosen here: voices are found in the server's library. Leave it out.",
                    param=name,
                )

    @property
    def sampling(self) -> SamplingOptions:
        """All of it, because the defaults here are the route's own."""
        return SamplingOptions(
            temperature=self.temperature,
            top_p=self.top_p,
            repetition_penalty=self.repetition_penalty,
            chunk_length=self.chunk_length,
            max_new_tokens=min(max(self.max_new_tokens, 0), LARGEST_MAX_NEW_TOKENS),
        )
