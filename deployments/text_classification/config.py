"""Settings of one text-classification deployment."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from deployments.model_config import ModelConfig

Normalizer = Literal["tweet", "none"]
Activation = Literal["softmax", "sigmoid"]


class ClassifierEngineConfig(BaseModel):
    """How the model is computed.

    ``auto`` takes ``cuda`` if there is one, and bfloat16 there, float32 on a CPU. ``workers`` batches are computed
    at the same time, and share ``threads`` cores of a CPU: one alone gets all, of several each at least one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    workers: int = Field(1, ge=1, le=64)
    threads: int = Field(1, ge=1, le=1_024)
    max_batch_texts: int = Field(64, ge=1, le=4_096)
    max_batch_tokens: int | None = Field(None, ge=512, le=4_194_304, description="texts times the longest one's")
    max_wait_ms: float = Field(2, ge=0, le=1_000)


class TextClassificationConfig(ModelConfig):
    """One text-classification deployment: what it serves, how much it admits, how it runs.

    What is None is the model's own: its normaliser, its activation (sigmoid for labels that are independent of
    each other, else softmax), its longest input. ``max_tokens``: longer texts are cut, and the answer says so.

    Texts that are moderated or going to be spoken are never cut: those of more than ``piece_tokens`` are judged in
    pieces of about so many. Small ones find one bad sentence among good ones, large ones know what came before.
    """

    engine: ClassifierEngineConfig = ClassifierEngineConfig()
    normalizer: Normalizer | None = None
    activation: Activation | None = None
    max_tokens: int | None = Field(None, ge=8, le=131_072)
    max_texts: int = Field(1_024, ge=1, le=100_000, description="texts in one request")
    max_chars: int = Field(20_000, ge=1, le=10_000_000, description="characters of one text")
    piece_tokens: int = Field(32, ge=8, le=131_072, description="tokens of a piece of a long text to be judged")
    max_pieces: int = Field(16_384, ge=1, le=10_000_000, description="pieces of all texts of one request")
    encoders: int = Field(2, ge=1, le=64, description="threads that normalise and tokenise")
    queue_tokens: int = Field(500_000, ge=1, description="tokens admitted and not yet done")
