"""Settings of one Whisper deployment."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from deployments.model_config import ModelConfig
from deployments.whisper.types import DecodingOptions


class WhisperEngineConfig(BaseModel):
    """How CTranslate2 runs the model.

    ``workers`` batches run at once on one device, each on ``threads`` cores (CPU). On a CPU scale by workers,
    on a GPU by ``max_batch_windows``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    device: Literal["cpu", "cuda", "auto"] = "auto"
    device_index: int | list[int] = 0
    compute_type: Literal[
        "default", "auto", "int8", "int8_float32", "int8_float16", "int8_bfloat16", "int16", "float16",
        "bfloat16", "float32",
    ] = "default"  # fmt: skip
    workers: int = Field(1, ge=1, le=64)
    threads: int = Field(0, ge=0, le=256)
    max_batch_windows: int = Field(8, ge=1, le=256)
    max_wait_ms: float = Field(5, ge=0, le=1_000)
    flash_attention: bool = False


class WhisperConfig(ModelConfig):
    """One Whisper deployment: what it serves, how much it admits, how it runs."""

    engine: WhisperEngineConfig = WhisperEngineConfig()
    decoding: DecodingOptions = Field(DecodingOptions(), description="for what a request does not set")
    queue_audio_s: float = Field(4 * 3600.0, gt=0, description="audio seconds admitted and not yet done")
    windows_per_request: int = Field(8, ge=1, le=256, description="windows of one request in flight")
    downloads: int = Field(16, ge=1, le=1_000, description="URLs fetched at the same time")
    feeders: int = Field(4, ge=1, le=64, description="threads that decode audio and find speech")
    max_audio_s: float = Field(4 * 3600.0, gt=0, description="longest audio of one request, and of its clips")
