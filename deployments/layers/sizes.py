"""Sizes of layers, by the names of fish-speech's settings. Defaults are those of firefly 1.5."""

from math import prod
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Count = Annotated[int, Field(ge=1, le=65_536)]
Counts = Annotated[tuple[Count, ...], Field(min_length=1, max_length=32)]


class Size(BaseModel):
    """Some sizes; unknown names are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class MelSize(Size):
    """A log-mel spectrogram. Frequencies are in Hz; ``f_max`` None is half of ``sample_rate``."""

    sample_rate: Annotated[int, Field(ge=1_000, le=384_000)] = 44_100
    n_fft: Count = 2_048
    win_length: Count = 2_048
    hop_length: Count = 512
    n_mels: Count = 160
    f_min: float = Field(0.0, ge=0)
    f_max: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.win_length != self.n_fft:
            raise ValueError("win_length has to be n_fft")
        if self.hop_length > self.n_fft:
            raise ValueError("hop_length is longer than n_fft")
        if not self.f_min < self.highest <= self.sample_rate / 2:
            raise ValueError("f_max has to lie between f_min and half of sample_rate")
        return self

    @property
    def highest(self) -> float:
        """Where the last filter ends, in Hz."""
        return self.sample_rate / 2 if self.f_max is None else self.f_max


class HiFiGanSize(Size):
    """A HiFi-GAN generator. ``num_mels`` is the width of its input, ``hop_length`` the product of its rates."""

    hop_length: Count = 512
    upsample_rates: Counts = (8, 8, 2, 2, 2)
    upsample_kernel_sizes: Counts = (16, 16, 4, 4, 4)
    resblock_kernel_sizes: Counts = (3, 7, 11)
    resblock_dilation_sizes: Annotated[tuple[Counts, ...], Field(min_length=1, max_length=32)] = ((1, 3, 5),) * 3
    num_mels: Count = 512
    upsample_initial_channel: Count = 512
    pre_conv_kernel_size: Count = 13
    post_conv_kernel_size: Count = 13
    use_template: Literal[False] = False

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.upsample_rates) != len(self.upsample_kernel_sizes):
            raise ValueError("upsample_rates and upsample_kernel_sizes differ in length")
        if len(self.resblock_kernel_sizes) != len(self.resblock_dilation_sizes):
            raise ValueError("resblock_kernel_sizes and resblock_dilation_sizes differ in length")
        if prod(self.upsample_rates) != self.hop_length:
            raise ValueError("hop_length has to be the product of upsample_rates")
        if any(
            kernel < rate for kernel, rate in zip(self.upsample_kernel_sizes, self.upsample_rates, strict=True)
        ):
            raise ValueError("a kernel of upsample_kernel_sizes is shorter than its rate")
        if self.upsample_initial_channel >> len(self.upsample_rates) < 1:
            raise ValueError("upsample_initial_channel cannot be halved at every rate")
        return self

    @property
    def channels(self) -> tuple[int, ...]:
        """The width after every stage."""
        return tuple(self.upsample_initial_channel >> stage + 1 for stage in range(len(self.upsample_rates)))
