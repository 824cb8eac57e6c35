"""What turns recordings into codes in fish-speech 1.1; its VQGAN and its VITS decoder each have one."""

from typing import Self

import torch
from pydantic import model_validator
from torch import Tensor, nn

from deployments.fish_speech.codec.codec import check_audio
from deployments.fish_speech.codec.quantizer import DownsampleQuantizer
from deployments.fish_speech.codec.sizes import QuantizerSize
from deployments.fish_speech.v11.wavenet import WaveNet, WaveNetSize
from deployments.layers.mel import LogMelSpectrogram
from deployments.layers.sizes import MelSize, Size


class EncoderSize(Size):
    """Log-mel spectrogram, WaveNet and quantiser; the defaults are the released ones."""

    encode_mel: MelSize = MelSize(n_mels=128, f_max=8_000)
    encoder: WaveNetSize = WaveNetSize(input_channels=128)
    quantizer: QuantizerSize = QuantizerSize(input_dim=768, n_groups=2)

    @model_validator(mode="after")
    def _encoder_fits(self) -> Self:
        if self.encoder.input_channels != self.encode_mel.n_mels:
            raise ValueError("encoder.input_channels has to be encode_mel.n_mels")
        if self.encoder.output_channels is not None or self.encoder.condition_channels is not None:
            raise ValueError("encoder has neither output_channels nor condition_channels")
        if self.encoder.residual_channels != self.quantizer.input_dim:
            raise ValueError("encoder.residual_channels and quantizer.input_dim have to be equal")
        return self

    @property
    def frame_samples(self) -> int:
        """Samples per frame of codes."""
        return self.encode_mel.hop_length * self.quantizer.factor


class VectorQuantizer(nn.Module):
    """WaveNet and grouped FSQ: parameters ``encoder`` and ``quantizer``."""

    def __init__(self, size: EncoderSize) -> None:
        super().__init__()
        self.encoder = WaveNet(size.encoder)
        self.quantizer = DownsampleQuantizer(size.quantizer, "centred")

    def encode(self, mel: Tensor, frames: Tensor | None = None) -> Tensor:
        """Int32 codes (batch, codebooks, frames // 4) of a log-mel spectrogram (batch, mels, frames), float32.

        ``frames`` (batch,) is how many of each are its own, the rest being padding; None if all are.
        """
        if frames is None:
            return self.quantizer.encode(self.encoder(mel))
        own = torch.arange(mel.shape[-1], device=mel.device) < frames[:, None, None]
        return self.quantizer.encode(self.encoder(mel * own) * own)


class RecordingEncoder:
    """``Codec.encode`` of the 1.1 codecs, and what it tells of itself. An incomplete last frame is dropped."""

    def __init__(self, network: VectorQuantizer, size: EncoderSize) -> None:
        self.network = network
        self.spectrogram = LogMelSpectrogram(size.encode_mel)
        self.frame_samples = size.frame_samples
        self.shortest_samples = max(self.spectrogram.shortest_samples, size.frame_samples)

    @torch.inference_mode()
    def encode(self, audio: Tensor) -> Tensor:
        """Int32 codes (codebooks, frames) of audio (samples,). Raises ValueError as ``Codec.encode`` does."""
        check_audio(audio, self.shortest_samples)
        device = self.spectrogram.window.device
        mel = self.spectrogram(audio.to(device, torch.float32)[None])
        return self.network.encode(mel)[0]

    def to(self, device: torch.device) -> None:
        """Move everything."""
        self.spectrogram.to(device)
        self.network.to(device)
