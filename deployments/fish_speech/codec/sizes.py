"""Sizes of the codecs' parts, by the names of the original's settings. Defaults are those of firefly 1.5."""

from math import prod
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from deployments.layers.sizes import Count, Counts, Size


class ConvNeXtSize(Size):
    """A ConvNeXt encoder. ``drop_path_rate`` matters in training only."""

    input_channels: Count = 160
    depths: Counts = (3, 3, 9, 3)
    dims: Counts = (128, 256, 384, 512)
    kernel_size: Count = 7
    drop_path_rate: float = 0.0

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.depths) != len(self.dims):
            raise ValueError("depths and dims differ in length")
        return self


class QuantizerSize(Size):
    """A finite scalar quantiser between a down- and an upsampling. Only one quantiser per group is known.

    ``levels`` are 3 or more each: of two, one is never reached by numbers that are bounded twice.
    """

    input_dim: Count = 512
    n_groups: Count = 8
    n_codebooks: Literal[1] = 1
    levels: Annotated[tuple[Annotated[int, Field(ge=3, le=1_024)], ...], Field(min_length=1, max_length=16)] = (
        8, 5, 5, 5,
    )  # fmt: skip
    downsample_factor: Counts = (2, 2)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.input_dim % self.n_groups:
            raise ValueError("input_dim has to be a multiple of n_groups")
        if self.entries > 2**31 - 1:
            raise ValueError("levels make more codes than an int32 has")
        return self

    @property
    def entries(self) -> int:
        """How many codes there are."""
        return prod(self.levels)

    @property
    def factor(self) -> int:
        """Spectrogram frames per frame of codes."""
        return prod(self.downsample_factor)
