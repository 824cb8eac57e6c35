"""Sizes of the VITS decoder of fish-speech 1.1, by the names of the original's settings."""

from typing import Self

from pydantic import model_validator

from deployments.fish_speech.v11.encoder import EncoderSize
from deployments.layers.sizes import Count, Counts, Size


class SynthesizerSize(Size):
    """What makes sound of quantised codes; the defaults are the released one's.

    ``codebook_size`` is how many text tokens there are. ``spec_channels`` are the bins of the spectrogram that the
    speaker is read from, ``ssl_dim`` the channels of the quantiser.
    """

    ssl_dim: Count = 768
    codebook_size: Count = 264
    spec_channels: Count = 1_025
    hidden_channels: Count = 192
    inter_channels: Count = 192
    filter_channels: Count = 768
    n_heads: Count = 2
    n_layers: Count = 6
    kernel_size: Count = 3
    gin_channels: Count = 512
    mrte_hidden: Count = 512
    mrte_heads: Count = 4
    style_hidden: Count = 128
    upsample_initial_channel: Count = 512
    upsample_rates: Counts = (8, 8, 2, 2, 2)
    upsample_kernel_sizes: Counts = (16, 16, 8, 2, 2)
    resblock_kernel_sizes: Counts = (3, 7, 11)
    resblock_dilation_sizes: tuple[Counts, ...] = ((1, 3, 5),) * 3

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.hidden_channels % self.n_heads or self.mrte_hidden % self.mrte_heads or self.style_hidden % 2:
            raise ValueError("channels of attention have to be multiples of their heads")
        if self.inter_channels % 2:
            raise ValueError("inter_channels has to be even")
        if self.mrte_hidden != self.gin_channels:
            raise ValueError("mrte_hidden and gin_channels have to be equal")
        if len(self.upsample_rates) != len(self.upsample_kernel_sizes):
            raise ValueError("upsample_rates and upsample_kernel_sizes differ in length")
        if len(self.resblock_kernel_sizes) != len(self.resblock_dilation_sizes):
            raise ValueError("resblock_kernel_sizes and resblock_dilation_sizes differ in length")
        if self.upsample_initial_channel >> len(self.upsample_rates) < 1:
            raise ValueError("upsample_initial_channel cannot be halved at every rate")
        return self


class VITSSize(EncoderSize):
    """The decoder with the encoder and the quantiser that its file has, too."""

    synthesizer: SynthesizerSize = SynthesizerSize()

    @model_validator(mode="after")
    def _synthesizer_fits(self) -> Self:
        made = 1
        for rate in self.synthesizer.upsample_rates:
            made *= rate
        if made != self.encode_mel.hop_length:
            raise ValueError("the product of synthesizer.upsample_rates has to be encode_mel.hop_length")
        if self.synthesizer.ssl_dim != self.quantizer.input_dim:
            raise ValueError("synthesizer.ssl_dim has to be quantizer.input_dim")
        if self.synthesizer.spec_channels != self.encode_mel.n_fft // 2 + 1:
            raise ValueError("synthesizer.spec_channels has to be encode_mel.n_fft / 2 + 1")
        return self
