"""What the two codecs of fish-speech 1.1 have in common: an encoder, and a decoder that makes sound of noise."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn

from deployments.fish_speech.codec.codec import Condition, check_codes, gaussian_noise
from deployments.fish_speech.v11.encoder import EncoderSize, RecordingEncoder, VectorQuantizer
from deployments.layers.convolution import set_layout


class NoiseCodec(ABC):
    """``Codec`` whose sound depends on what comes later, so that segments are decoded whole.

    ``quantizer`` encodes, and makes features of codes; ``generator`` is the last network of the decoder, which
    takes Gaussian noise of ``noise_channels``.
    """

    left_context: int | None = None

    def __init__(
        self, quantizer: VectorQuantizer, generator: nn.Module, size: EncoderSize, noise_channels: int
    ) -> None:
        self.recordings = RecordingEncoder(quantizer, size)
        self.sample_rate = size.encode_mel.sample_rate
        self.frame_samples = size.frame_samples
        self.codebooks = size.quantizer.n_groups
        self.codebook_entries = size.quantizer.entries
        self.shortest_samples = self.recordings.shortest_samples
        self._networks = (quantizer, generator)
        self._factor, self._noise_channels = size.quantizer.factor, noise_channels
        self._device = torch.device("cpu")
        self._dtype = torch.float32

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        """See ``Codec.to``."""
        self._device, self._dtype = torch.device(device), dtype
        self.recordings.to(self._device)
        for network in self._networks:
            network.to(self._device)
            set_layout(network, self._device)
        self._cast_decoder(dtype)
        return self

    def encode(self, audio: Tensor) -> Tensor:
        """See ``Codec.encode``; what is left after the last whole frame has no code."""
        return self.recordings.encode(audio)

    def full_frames(self, samples: int) -> int:
        """See ``Codec.full_frames``."""
        return samples // self.frame_samples

    @torch.inference_mode()
    def decode(
        self,
        codes: Tensor,
        conditions: Sequence[Condition] | None = None,
        *,
        context: int = 0,
        noise: Tensor | None = None,
    ) -> Tensor:
        """See ``Codec.decode``; the noise is drawn with each condition's seed.

        ``noise`` (batch, noise_channels, frames * factor of the quantiser) takes the place of what would be drawn.
        """
        conditions = check_codes(codes, self.codebooks, conditions, context)
        batch, _, frames = codes.shape
        if not batch or context == frames:
            return torch.zeros(batch, (frames - context) * self.frame_samples, device=self._device)
        if noise is None:
            noise = gaussian_noise((self._noise_channels, frames * self._factor), conditions)
        sound = self._sound(codes.to(self._device), noise.to(self._device), conditions)
        return sound[:, context * self.frame_samples :].float()

    @abstractmethod
    def _sound(self, codes: Tensor, noise: Tensor, conditions: Sequence[Condition]) -> Tensor:
        """Sound (batch, samples) of all frames. Raises ValueError for conditions that do not fit."""

    @abstractmethod
    def _cast_decoder(self, dtype: torch.dtype) -> None:
        """Let what decodes compute in ``dtype``."""
