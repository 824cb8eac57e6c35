"""Sizes of a dual-autoregressive model, as ``config.json`` has them."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from deployments.fish_speech.language_model.transformer import LayerSize

INTERMEDIATE_MULTIPLE = 256


class DualARConfig(BaseModel):
    """``config.json`` by the original's names; keys that decide nothing here are let pass.

    What is null follows from the rest: ``n_local_heads`` -1 is ``n_head``, ``intermediate_size`` is 8/3 ``dim``
    rounded up to a multiple of 256, each ``fast_*`` is its slow counterpart. ``head_dim`` is always ``dim`` /
    ``n_head``.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())

    model_type: Literal["dual_ar"] = "dual_ar"
    vocab_size: int = Field(32_000, ge=1)
    n_layer: int = Field(32, ge=1)
    n_head: int = Field(32, ge=1)
    dim: int = Field(4_096, ge=2)
    intermediate_size: int | None = Field(None, ge=1)
    n_local_heads: int = Field(-1, ge=-1)
    rope_base: float = Field(10_000, gt=0)
    norm_eps: float = Field(1e-5, gt=0)
    max_seq_len: int = Field(2_048, ge=1)
    tie_word_embeddings: bool = True
    attention_qkv_bias: bool = False
    codebook_size: int = Field(160, ge=1)
    num_codebooks: int = Field(4, ge=1)
    share_codebook_embeddings: bool = True
    scale_codebook_embeddings: Literal[False] = False
    n_fast_layer: int = Field(4, ge=1)
    fast_dim: int | None = Field(None, ge=2)
    fast_n_head: int | None = Field(None, ge=1)
    fast_n_local_heads: int | None = Field(None, ge=-1)
    fast_intermediate_size: int | None = Field(None, ge=1)
    fast_attention_qkv_bias: bool | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for name, size in (("", self.slow), ("fast_", self.fast)):
            if size.dim % size.n_head or size.head_dim % 2:
                raise ValueError(f"{name}dim {size.dim} does not divide into {size.n_head} heads of even width")
            if size.n_local_heads < 1 or size.n_head % size.n_local_heads:
                raise ValueError(f"{name}n_local_heads {size.n_local_heads} does not divide {name}n_head")
        return self

    @property
    def slow(self) -> LayerSize:
        """Layers that run once per column."""
        return LayerSize(
            dim=self.dim,
            n_head=self.n_head,
            n_local_heads=self.n_head if self.n_local_heads == -1 else self.n_local_heads,
            intermediate_size=self.intermediate_size or _intermediate(self.dim),
            norm_eps=self.norm_eps,
            attention_qkv_bias=self.attention_qkv_bias,
        )

    @property
    def fast(self) -> LayerSize:
        """Layers that run once per codebook of a frame."""
        slow = self.slow
        n_head = self.fast_n_head or slow.n_head
        n_local_heads = self.fast_n_local_heads or slow.n_local_heads
        bias = self.fast_attention_qkv_bias
        return LayerSize(
            dim=self.fast_dim or slow.dim,
            n_head=n_head,
            n_local_heads=n_head if n_local_heads == -1 else n_local_heads,
            intermediate_size=self.fast_intermediate_size or slow.intermediate_size,
            norm_eps=self.norm_eps,
            attention_qkv_bias=slow.attention_qkv_bias if bias is None else bias,
        )


def _intermediate(dim: int) -> int:
    return -(-int(8 * dim / 3) // INTERMEDIATE_MULTIPLE) * INTERMEDIATE_MULTIPLE
