"""The VITS decoder of fish-speech 1.1, vits_decoder_v1.1, with the encoder that its file has, too.

Kim et al., "Conditional Variational Autoencoder with Adversarial Learning for End-to-End Text-to-Speech"; here the
prior is made of codes, text and a speaker's embedding. Written from the structure of fish-speech 1.1 (Fish Audio),
whose checkpoints it reads.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from deployments.fish_speech.codec.codec import Condition, check_audio
from deployments.fish_speech.v11.codec import NoiseCodec
from deployments.fish_speech.v11.encoder import VectorQuantizer
from deployments.fish_speech.v11.generator import Generator
from deployments.fish_speech.v11.prior_encoder import PriorEncoder
from deployments.fish_speech.v11.reference_encoder import ReferenceEncoder
from deployments.fish_speech.v11.vits_size import SynthesizerSize, VITSSize
from deployments.layers.flow import InverseFlow
from deployments.layers.mel import Spectrogram
from deployments.layers.state_dict import build, read_size, read_state_dict

SIZES = "vits.json"
NOISE_SCALE = 0.5


class VITSNetwork(nn.Module):
    """The parameters of VITS that speaking takes, named as in the original's checkpoint."""

    def __init__(self, size: SynthesizerSize) -> None:
        super().__init__()
        self.enc_p = PriorEncoder(size)
        self.flow = InverseFlow(size.inter_channels, size.hidden_channels, size.gin_channels)
        self.dec = Generator(size)
        self.ref_enc = ReferenceEncoder(size.spec_channels, size.style_hidden, size.gin_channels)

    def forward(self, quantized: Tensor, text: Tensor, seen: Tensor, speaker: Tensor, noise: Tensor) -> Tensor:
        """Sound (batch, samples). ``noise`` (batch, inter_channels, time) is Gaussian; the rest is as in
        ``PriorEncoder``.
        """
        mean, log_deviation = self.enc_p(quantized, text, seen, speaker)
        z_p = mean + noise * torch.exp(log_deviation) * NOISE_SCALE
        sound: Tensor = self.dec(self.flow(z_p, speaker), speaker)
        return sound

    def cast_decoder(self, dtype: torch.dtype) -> None:
        """Let all but the reference encoder compute in ``dtype``."""
        self.enc_p.to(dtype)
        self.flow.to(dtype)
        self.dec.cast_decoder(dtype)


class VITSCodec(NoiseCodec):
    """``Codec`` of fish-speech 1.1 that needs to know what is spoken, and sounds like the speaker it is given.

    Every condition of ``decode`` has to have a text.
    """

    def __init__(self, network: VITSNetwork, vq: VectorQuantizer, size: VITSSize) -> None:
        super().__init__(vq, network, size, size.synthesizer.inter_channels)
        self.network, self.vq = network, vq
        self.spectrogram = Spectrogram(size.encode_mel.n_fft, size.encode_mel.hop_length)
        self._size = size.synthesizer

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        """See ``Codec.to``."""
        self.spectrogram.to(device)
        return super().to(device, dtype)

    @torch.inference_mode()
    def speaker_embedding(self, audio: Tensor) -> Tensor:
        """The speaker of a recording, float32 (gin_channels,), for ``Condition.speaker``.

        ``audio`` is as for ``encode``. Raises ValueError as that does.
        """
        check_audio(audio, self.shortest_samples)
        magnitudes = self.spectrogram(audio.to(self._device, torch.float32)[None])
        embedding: Tensor = self.network.ref_enc(magnitudes)
        return embedding[0, :, 0]

    def _sound(self, codes: Tensor, noise: Tensor, conditions: Sequence[Condition]) -> Tensor:
        text, seen = self._texts(conditions)
        quantized, speakers = self.vq.quantizer.decode(codes), self._speakers(conditions)
        sound: Tensor = self.network(quantized, text, seen, speakers, noise.to(self._dtype))
        return sound

    def _cast_decoder(self, dtype: torch.dtype) -> None:
        self.vq.quantizer.cast_decoder(dtype)
        self.network.cast_decoder(dtype)

    def _texts(self, conditions: Sequence[Condition]) -> tuple[Tensor, Tensor]:
        """Token ids (batch, tokens), padded with zeros, and where they are none of it (batch, 1, tokens)."""
        texts: list[Tensor] = []
        for condition in conditions:
            text = condition.text
            if text is None or text.dim() != 1 or not text.shape[0] or text.is_floating_point():
                raise ValueError("VITS needs the text of what it decodes: int token ids of shape (tokens,).")
            texts.append(text.to("cpu", torch.int64))
        ids = pad_sequence(texts, batch_first=True)
        if int(ids.min()) < 0 or int(ids.max()) >= self._size.codebook_size:
            raise ValueError(f"Token ids of the text have to be from 0 to {self._size.codebook_size - 1}.")
        lengths = torch.tensor([len(text) for text in texts])
        seen = torch.arange(ids.shape[1]) < lengths[:, None, None]
        return ids.to(self._device), seen.to(self._device)

    def _speakers(self, conditions: Sequence[Condition]) -> Tensor:
        """Embeddings (batch, gin_channels, 1); zeros where there is none."""
        width = self._size.gin_channels
        embeddings = [torch.zeros(width) if item.speaker is None else item.speaker for item in conditions]
        if any(speaker.shape != (width,) for speaker in embeddings):
            raise ValueError(f"A speaker's embedding has to be of shape ({width},).")
        return torch.stack([speaker.to(self._device, self._dtype) for speaker in embeddings])[..., None]


def load_vits(vits_path: Path, device: torch.device | str) -> VITSCodec:
    """The codec in a file, whose sizes stand in ``vits.json`` beside it if they are not the released.

    Computes in float32 until ``to`` says otherwise. Raises ModelUnavailable for a file that is missing, damaged,
    or of another kind.
    """
    size = read_size(vits_path.parent, SIZES, VITSSize)
    state = read_state_dict(vits_path)
    network = build(VITSNetwork, size.synthesizer, state=state, source=vits_path)
    vq = build(VectorQuantizer, size, state=state, source=vits_path, prefix="vq.")
    return VITSCodec(network, vq, size).to(device, torch.float32)
