"""Settings of one speech-synthesis deployment."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from deployments.fish_speech.segment_limits import SegmentLimits
from deployments.fish_speech.types import SamplingOptions
from deployments.model_config import ModelConfig


class SpeechEngineConfig(BaseModel):
    """How the model is computed.

    ``auto`` takes ``cuda`` if there is one, and bfloat16 there, float32 on a CPU, where ``threads`` cores compute.
    ``slots`` requests are spoken at the same time, each with ``context`` tokens and frames (None: what the model
    was made for, at most 4,096), whose memory is taken at the start. ``graphs`` records every batch size once on a
    GPU and replays it; ``auto`` does so there. ``speech_tokens_only`` keeps a model of version 1.5 from drawing
    text tokens in the middle of speech, which it may by its design.

    The first ``first_chunk_frames`` of a request leave as sound as soon as they are there, then ever larger chunks
    up to ``chunk_frames``. On a CPU the codec makes the sound of ``codec_workers`` chunks at the same time, each
    with ``threads`` cores; on a GPU it makes them in batches. ``prefix_cache`` voices keep their computed prompt.
    ``strict_upstream`` repeats the original's mistake of leaving out the first frame and speaking the one that
    ends.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    threads: int = Field(1, ge=1, le=1_024)
    slots: int = Field(16, ge=1, le=256)
    context: int | None = Field(None, ge=64, le=32_768)
    graphs: Literal["auto", "off"] = "auto"
    speech_tokens_only: bool = True
    first_chunk_frames: int = Field(6, ge=1, le=512)
    chunk_frames: int = Field(24, ge=1, le=512)
    codec_workers: int = Field(2, ge=1, le=64)
    prefix_cache: int = Field(8, ge=0, le=1_024, description="voices whose computed prompt is kept")
    strict_upstream: bool = False


class VoicesConfig(BaseModel):
    """Where named voices are kept: folders, or ``s3://bucket/prefix``.

    New ones are written to ``library``; ``shipped`` ones are only read. Both have the layout
    ``<id>/*.wav`` with a transcript ``*.lab`` beside each recording.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    library: str | None = Field(None, min_length=1)
    shipped: tuple[str, ...] = ()
    max_voices: int = Field(1_000, ge=1, le=1_000_000)


class FishSpeechConfig(ModelConfig):
    """One speech-synthesis deployment: what it serves, how much it admits, how it runs.

    ``decoder`` makes sound of a 1.1 model's codes: VITS or VQGAN, ``auto`` is VITS where its file is there.
    ``default_voice`` speaks when a request names none; None leaves it to the model, which then draws one.
    """

    engine: SpeechEngineConfig = SpeechEngineConfig()
    sampling: SamplingOptions = Field(SamplingOptions(), description="for what a request does not set")
    segments: SegmentLimits = Field(SegmentLimits(), description="what one segment of a text may take")
    decoder: Literal["auto", "vits", "vqgan"] = "auto"
    voices: VoicesConfig = VoicesConfig()
    default_voice: str | None = None
    max_text_chars: int = Field(20_000, ge=1, le=1_000_000, description="characters of one text")
    max_reference_s: float = Field(90, gt=0, le=600, description="seconds of all references of one request")
    cached_references: int = Field(256, ge=0, le=100_000, description="recordings whose codes are kept")
    queue_chars: int = Field(100_000, ge=1, description="characters admitted and not yet spoken")
