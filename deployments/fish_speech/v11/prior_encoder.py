"""What VITS's prior knows of a frame: its code, the text, the speaker. MRTE is the part where they meet."""

import torch
from torch import Tensor, nn

from deployments.fish_speech.v11.vits_size import SynthesizerSize
from deployments.layers.relative_attention import AttentionEncoder, RelativeAttention


class MultiReferenceTimbreEncoder(nn.Module):
    """Frames attend to the text, and the speaker is added."""

    def __init__(self, content: int, hidden: int, heads: int) -> None:
        super().__init__()
        self.c_pre = nn.Conv1d(content, hidden, 1)
        self.text_pre = nn.Conv1d(content, hidden, 1)
        self.cross_attention = RelativeAttention(hidden, heads)
        self.c_post = nn.Conv1d(hidden, content, 1)

    def forward(self, frames: Tensor, text: Tensor, seen: Tensor, speaker: Tensor) -> Tensor:
        """(batch, content, time) of frames like it, text (batch, content, tokens), speaker (batch, hidden, 1).

        ``seen`` (batch, 1, tokens) is false where text is padding.
        """
        content = self.c_pre(frames)
        mixed: Tensor = self.c_post(self.cross_attention(content, self.text_pre(text), seen) + content + speaker)
        return mixed


class PriorEncoder(nn.Module):
    """Mean and logarithm of the standard deviation of the prior of every frame."""

    def __init__(self, size: SynthesizerSize) -> None:
        super().__init__()
        channels = size.hidden_channels

        def encoder(layers: int) -> AttentionEncoder:
            return AttentionEncoder(channels, size.filter_channels, size.n_heads, layers, size.kernel_size)

        self.ssl_proj = nn.Conv1d(size.ssl_dim, channels, 1)
        self.encoder_ssl = encoder(size.n_layers // 2)
        self.encoder_text = encoder(size.n_layers)
        self.text_embedding = nn.Embedding(size.codebook_size, channels)
        self.mrte = MultiReferenceTimbreEncoder(channels, size.mrte_hidden, size.mrte_heads)
        self.encoder2 = encoder(size.n_layers // 2)
        self.proj = nn.Conv1d(channels, 2 * size.inter_channels, 1)

    def forward(self, quantized: Tensor, text: Tensor, seen: Tensor, speaker: Tensor) -> tuple[Tensor, Tensor]:
        """Two tensors (batch, inter_channels, time).

        ``quantized`` (batch, ssl_dim, time) is what the quantiser makes of codes, ``text`` (batch, tokens) int64
        ids, ``seen`` (batch, 1, tokens) false where they are padding, ``speaker`` (batch, gin_channels, 1).
        """
        everywhere = quantized.new_ones((quantized.shape[0], 1, quantized.shape[-1]), dtype=torch.bool)
        frames = self.encoder_ssl(self.ssl_proj(quantized), everywhere)
        words = self.encoder_text(self.text_embedding(text).transpose(1, 2) * seen, seen)
        mixed = self.encoder2(self.mrte(frames, words * seen, seen, speaker), everywhere)
        mean, log_deviation = self.proj(mixed).chunk(2, 1)
        return mean, log_deviation
