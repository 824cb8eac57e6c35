"""The fields of ``POST /v1/tts``, from which parser and documentation are made.

Names, types and ranges are those of fish-speech 1.5's server, whose chunk_length is as loose, with what its later
versions and the hosted service added.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from deployments.fish_speech.types import NumbersLanguage, TextFormat
from media.encode import AudioFormat
from serve_app.fields.audio import AudioBytes

AUTOMATIC = -1000
OPUS_KBPS = (6, 256)
LONGEST_TRANSCRIPT = 10_000
UNUSED = "Taken, but of no effect"
FORMAT = "The audio's format; `pcm` is signed 16-bit, little endian."
TOP_P = "Nucleus of the sampling."
TEMPERATURE = "Randomness of the sampling."
REPETITION_PENALTY = "Above 1 punishes codes that were just drawn."
TEXT_FORMAT = (
    "How the text is written. The signs of `markdown` are not spoken. Of `ssml` the tags `speak`, `p`, `s` and "
    "`break` are honoured; others are refused."
)
SERVED_MODEL = "Id or alias of a served model; the default model if absent."


def _opus_bitrate(kbps: int) -> int:
    low, high = OPUS_KBPS
    if kbps != AUTOMATIC and not low <= kbps <= high:
        raise PydanticCustomError(
            "opus_bitrate", f"Input should be from {low} to {high}, or {AUTOMATIC} for an automatic bit rate"
        )
    return kbps


class FishBody(BaseModel):
    """A body of fish-speech's API. Unknown fields are ignored, as they are there."""

    model_config = ConfigDict(extra="ignore", protected_namespaces=())


class Reference(FishBody):
    """A recording of the voice that is to speak, and what is said in it."""

    audio: AudioBytes
    text: str = Field(max_length=LONGEST_TRANSCRIPT)


class Prosody(FishBody):
    """How fast and how loud."""

    speed: float = Field(1.0, ge=0.5, le=2, allow_inf_nan=False)
    volume: float = Field(0.0, ge=-20, le=20, allow_inf_nan=False)


class TtsBody(FishBody):
    """One text to be spoken, as fish-speech's own server takes it."""

    text: str = Field(description="What to say.")
    chunk_length: int = Field(
        200, ge=0, le=10_000, description="Longest piece that is spoken at once, in bytes; 0 cuts nothing."
    )
    format: AudioFormat = Field("wav", description=FORMAT)
    references: list[Reference] = Field(
        [],
        max_length=64,
        description="Recordings of the voice: files, in JSON base64, and what is said in them.",
    )
    reference_id: str | None = Field(None, description="A voice of the library. It wins over `references`.")
    seed: int | None = Field(
        None, description="Repeats a speech; drawn if none. Of a negative one the sign is dropped."
    )
    use_memory_cache: Literal["on", "off"] = Field(
        "off", description=f"{UNUSED}: what is computed of a reference is always kept for the next request."
    )
    normalize: bool | NumbersLanguage = Field(
        True,
        description="`en`: numbers are spelled out in English. True and false change nothing, as in fish-speech "
        "1.5.1: clients send true unasked.",
    )
    text_format: TextFormat = Field("plain", description=TEXT_FORMAT)
    streaming: bool = Field(
        False,
        description="Whether to send audio while it is being made, in any format. If absent, `mp3`, `opus`, `aac` "
        "and `pcm` are sent so, `wav` and `flac` as whole files.",
    )
    wav_header: bool = Field(
        True, description="Whether `wav` that is streamed begins with a header; fish-speech 1.5.1 sends none."
    )
    max_new_tokens: int = Field(
        1_024, description="Most frames of one piece; 0 or less is as many as the model has room for."
    )
    top_p: float = Field(0.7, ge=0.1, le=1, strict=True, allow_inf_nan=False, description=TOP_P)
    repetition_penalty: float = Field(
        1.2, ge=0.9, le=2, strict=True, allow_inf_nan=False, description=REPETITION_PENALTY
    )
    temperature: float = Field(0.7, ge=0.1, le=1, strict=True, allow_inf_nan=False, description=TEMPERATURE)
    prosody: Prosody | None = Field(
        None, description="The tempo, at the same pitch, from 0.5 to 2, and the loudness, from -20 to 20 dB."
    )
    sample_rate: int | None = Field(None, ge=8_000, le=48_000, description="In Hz; the model's own if none.")
    mp3_bitrate: int = Field(128, ge=8, le=320, description="In kbit/s.")
    opus_bitrate: Annotated[int, AfterValidator(_opus_bitrate)] = Field(
        AUTOMATIC, description=f"In kbit/s, {OPUS_KBPS[0]} to {OPUS_KBPS[1]}; {AUTOMATIC} leaves it to the codec."
    )
    speaker: str | None = Field(
        None, max_length=128, description="A speaker that a model of version 1.1 was trained with."
    )
    model: str | None = Field(
        None, max_length=256, description="Id or alias of a served model; else that of the header `model`."
    )
    latency: Literal["low", "normal", "balanced"] = Field(
        "normal", description=f"{UNUSED}: audio leaves as early as it can."
    )
    min_chunk_length: int = Field(
        50,
        ge=0,
        le=1_000,
        description="Over a WebSocket, characters to wait for before sentences are spoken.",
    )
    condition_on_previous_chunks: bool = Field(
        True, description=f"{UNUSED}: pieces of a text always continue each other."
    )
    early_stop_threshold: float = Field(1.0, ge=0, le=1, allow_inf_nan=False, description=f"{UNUSED}.")


class CloudTtsBody(TtsBody):
    """The same as the hosted service takes it: with the header ``model``, and over a WebSocket."""

    format: AudioFormat = Field("mp3", description=FORMAT)
    top_p: float = Field(0.7, ge=0, le=1, strict=True, allow_inf_nan=False, description=TOP_P)
    temperature: float = Field(0.7, ge=0, le=1, strict=True, allow_inf_nan=False, description=TEMPERATURE)


class LiveBody(CloudTtsBody):
    """What a WebSocket's first message asks for; most texts come later."""

    text: str = Field("", description="What to say first.")
