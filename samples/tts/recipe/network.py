"""The dual autoregressive transformer as it is trained: on whole sequences, with attention to look at.

The parameters are named as in fish-speech 1.5's checkpoints. The engine computes the same numbers frame by frame.
"""

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from .codec import CODEBOOKS, CODES
from .tokens import SEMANTIC, VOCABULARY_SIZE


@dataclass(frozen=True, slots=True)
class DualARSize:
    """What ``config.json`` says, by the original's names."""

    model_type: str = "dual_ar"
    vocab_size: int = VOCABULARY_SIZE
    n_layer: int = 4
    n_head: int = 4
    dim: int = 160
    intermediate_size: int = 400
    n_local_heads: int = 2
    head_dim: int = 40
    rope_base: float = 10_000
    norm_eps: float = 1e-6
    max_seq_len: int = 1_024
    codebook_size: int = CODES
    num_codebooks: int = CODEBOOKS
    n_fast_layer: int = 1
    tie_word_embeddings: bool = True
    attention_qkv_bias: bool = False
    dropout: float = 0.0

    def as_json(self) -> dict[str, object]:
        """The fields, and the fast layers' sizes, which are those of the slow ones."""
        fast = ("fast_dim", "fast_n_head", "fast_n_local_heads", "fast_head_dim", "fast_intermediate_size")
        return {**asdict(self), **dict.fromkeys(fast)}


SIZE = DualARSize()


def rotary_table(size: DualARSize) -> Tensor:
    """Cosines and sines (positions, head_dim / 2, 2), rounded to bfloat16 as in the original."""
    steps = torch.arange(0, size.head_dim, 2).float() / size.head_dim
    angles = torch.outer(torch.arange(size.max_seq_len).float(), 1 / size.rope_base**steps)
    return torch.stack([angles.cos(), angles.sin()], -1).bfloat16().float()


def rotate(x: Tensor, table: Tensor) -> Tensor:
    """Turn neighbouring pairs of (batch, time, heads, head_dim) by their position's angles."""
    pairs, (cosine, sine) = x.unflatten(-1, (-1, 2)), table[:, None].unbind(-1)
    first, second = pairs.unbind(-1)
    return torch.stack([first * cosine - second * sine, second * cosine + first * sine], -1).flatten(3)


class Attention(nn.Module):
    """Causal attention with grouped keys."""

    def __init__(self, size: DualARSize) -> None:
        super().__init__()
        self.heads = (size.n_head, size.n_local_heads, size.n_local_heads)
        self.wqkv = nn.Linear(size.dim, sum(self.heads) * size.head_dim, bias=False)
        self.wo = nn.Linear(size.n_head * size.head_dim, size.dim, bias=False)
        self.head_dim = size.head_dim

    def forward(self, x: Tensor, table: Tensor, watched: bool) -> tuple[Tensor, Tensor | None]:
        """The output, and if ``watched`` the log of the weights (batch, heads, time, time)."""
        queries, keys, values = self.wqkv(x).unflatten(-1, (-1, self.head_dim)).split(self.heads, 2)
        queries = rotate(queries, table).transpose(1, 2)
        repeat = self.heads[0] // self.heads[1]
        keys, values = (t.repeat_interleave(repeat, 2).transpose(1, 2) for t in (rotate(keys, table), values))
        if not watched:
            mixed = functional.scaled_dot_product_attention(queries, keys, values, is_causal=True)
            return self.wo(mixed.transpose(1, 2).flatten(2)), None
        scores = (queries @ keys.transpose(2, 3)) / self.head_dim**0.5
        later = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        logs = functional.log_softmax(scores.masked_fill(later, -1e9), -1)
        return self.wo((logs.exp() @ values).transpose(1, 2).flatten(2)), logs


class FeedForward(nn.Module):
    """SwiGLU."""

    def __init__(self, size: DualARSize) -> None:
        super().__init__()
        self.w1, self.w3 = (nn.Linear(size.dim, size.intermediate_size, bias=False) for _ in range(2))
        self.w2 = nn.Linear(size.intermediate_size, size.dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., dim) to the same."""
        out: Tensor = self.w2(functional.silu(self.w1(x)) * self.w3(x))
        return out


class Block(nn.Module):
    """Attention and feed-forward, each on what is normalised and added to what went in."""

    def __init__(self, size: DualARSize) -> None:
        super().__init__()
        self.attention, self.feed_forward = Attention(size), FeedForward(size)
        self.attention_norm, self.ffn_norm = (nn.RMSNorm(size.dim, size.norm_eps) for _ in range(2))

    def forward(self, x: Tensor, table: Tensor, watched: bool = False) -> tuple[Tensor, Tensor | None]:
        """As ``Attention``."""
        mixed, logs = self.attention(self.attention_norm(x), table, watched)
        x = x + mixed
        return x + self.feed_forward(self.ffn_norm(x)), logs


class DualAR(nn.Module):
    """A slow transformer over tokens and frames, and a fast one over the codes of a frame."""

    table: Tensor
    offsets: Tensor

    def __init__(self, size: DualARSize = SIZE) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(size.vocab_size, size.dim)
        self.codebook_embeddings = nn.Embedding(size.codebook_size * size.num_codebooks, size.dim)
        self.layers = nn.ModuleList(Block(size) for _ in range(size.n_layer))
        self.norm = nn.RMSNorm(size.dim, size.norm_eps)
        self.fast_embeddings = nn.Embedding(size.codebook_size, size.dim)
        self.fast_layers = nn.ModuleList(Block(size) for _ in range(size.n_fast_layer))
        self.fast_norm = nn.RMSNorm(size.dim, size.norm_eps)
        self.fast_output = nn.Linear(size.dim, size.codebook_size, bias=False)
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, 0, 0.02 if "w2" in name or "wo." in name else 0.04)
        self.register_buffer("table", rotary_table(size), persistent=False)
        offsets = torch.arange(size.num_codebooks) * size.codebook_size
        self.register_buffer("offsets", offsets, persistent=False)

    def embed(self, columns: Tensor) -> Tensor:
        """(batch, 1 + codebooks, time) to (batch, time, dim): tokens, and for frames their codes as well."""
        tokens, codes = columns[:, 0], columns[:, 1:] + self.offsets[None, :, None]
        spoken = (tokens >= SEMANTIC)[..., None]
        embedded: Tensor = self.embeddings(tokens) + self.codebook_embeddings(codes).sum(1) * spoken
        return embedded

    def token_logits(self, hidden: Tensor) -> Tensor:
        """(..., dim) to (..., vocabulary)."""
        return functional.linear(self.norm(hidden), self.embeddings.weight)

    def code_logits(self, hidden: Tensor, codes: Tensor) -> Tensor:
        """Of hidden states (n, dim) and their codes (n, codebooks): (n, codebooks - 1, codes), all but the first.

        The first code of a frame is the slow transformer's token.
        """
        x = torch.cat([hidden[:, None], self.fast_embeddings(codes[:, :-1])], 1)
        for layer in self.fast_layers:
            x, _ = layer(x, self.table[: x.shape[1]])
        logits: Tensor = self.fast_output(self.fast_norm(x[:, 1:]))
        return logits
