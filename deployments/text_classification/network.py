"""A RoBERTa encoder with a two-layer head on its first token, checkpoint-compatible with the hate-speech model.

The encoder is Liu et al., "RoBERTa: A Robustly Optimized BERT Pretraining Approach" (post-norm transformer layers
of Vaswani et al. with GELU, learned positions that count from ``pad_token_id + 1``). Parameters are named as in
the original checkpoints: ``model.*`` in the form that RoBERTa's published weights have, ``linear1.*``,
``linear2.*``.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

HEAD_DROPOUT = 0.3


@dataclass(frozen=True, slots=True)
class NetworkSize:
    """Sizes that decide the shapes of all parameters. ``head_size`` is the width between the head's two layers."""

    labels: int
    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    head_size: int = 512
    type_vocab_size: int = 1
    pad_token_id: int = 1
    layer_norm_eps: float = 1e-5

    @property
    def most_tokens(self) -> int:
        """The longest input, special tokens included."""
        return self.max_position_embeddings - self.pad_token_id - 1


class TweetClassifier(nn.Module):
    """Logits of a text: encoder, first token, Linear, ReLU, Dropout, Linear. Softmax of them is the answer."""

    def __init__(self, size: NetworkSize) -> None:
        super().__init__()
        self.model = _Encoder(size)
        self.linear1 = nn.Linear(size.hidden_size, size.head_size)
        self.dropout = nn.Dropout(HEAD_DROPOUT)
        self.linear2 = nn.Linear(size.head_size, size.labels)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Float32 logits (batch, labels) of int64 ids (batch, tokens), padded on the right.

        ``attention_mask`` (batch, tokens) is 1 where there is a token.
        """
        first = self.model(input_ids, attention_mask)
        logits: Tensor = self.linear2(self.dropout(functional.relu(self.linear1(first))))
        return logits.float()


class _Packing:
    """Where the tokens of a padded batch are. Everything but attention is computed for tokens alone, so padding
    costs next to nothing.
    """

    def __init__(self, attention_mask: Tensor) -> None:
        present = attention_mask.bool()
        self._shape = present.shape
        self._places = present.flatten().nonzero().squeeze(1)
        self.mask = present[:, None, None, :]
        self.first = present.sum(1).cumsum(0) - present.sum(1)  # of every text, among all tokens

    def pack(self, padded: Tensor) -> Tensor:
        """(batch, tokens, width) to (tokens of all texts, width)."""
        return padded.flatten(0, 1)[self._places]

    def pad(self, packed: Tensor) -> Tensor:
        """The way back."""
        batch, tokens = self._shape
        padded = packed.new_zeros((batch * tokens, packed.shape[1]))
        padded[self._places] = packed
        return padded.view(batch, tokens, -1)


class _Encoder(nn.Module):
    def __init__(self, size: NetworkSize) -> None:
        super().__init__()
        self.embeddings = _Embeddings(size)
        self.encoder = _Layers(size)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """The first token's last hidden state (batch, hidden); nothing reads the others', so the last layer leaves
        them out.
        """
        packing = _Packing(attention_mask)
        hidden = packing.pack(self.embeddings(input_ids))
        *layers, last = self.encoder.layer
        for layer in layers:
            hidden = layer(hidden, packing)
        first: Tensor = last(hidden, packing, first_only=True)
        return first


class _Layers(nn.Module):
    def __init__(self, size: NetworkSize) -> None:
        super().__init__()
        self.layer = nn.ModuleList(_Layer(size) for _ in range(size.num_hidden_layers))


class _Embeddings(nn.Module):
    def __init__(self, size: NetworkSize) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(size.vocab_size, size.hidden_size)
        self.position_embeddings = nn.Embedding(size.max_position_embeddings, size.hidden_size)
        self.token_type_embeddings = nn.Embedding(size.type_vocab_size, size.hidden_size)
        self.LayerNorm = nn.LayerNorm(size.hidden_size, size.layer_norm_eps)
        self._first_position = size.pad_token_id + 1

    def forward(self, input_ids: Tensor) -> Tensor:
        positions = torch.arange(input_ids.shape[1], device=input_ids.device) + self._first_position
        everywhere = self.position_embeddings(positions) + self.token_type_embeddings.weight[0]
        hidden: Tensor = self.LayerNorm(self.word_embeddings(input_ids) + everywhere)
        return hidden


class _Layer(nn.Module):
    def __init__(self, size: NetworkSize) -> None:
        super().__init__()
        self.attention = _Attention(size)
        self.intermediate = _Dense(size.hidden_size, size.intermediate_size)
        self.output = _Residual(size.intermediate_size, size)

    def forward(self, hidden: Tensor, packing: _Packing, *, first_only: bool = False) -> Tensor:
        attended = self.attention(hidden, packing, first_only)
        output: Tensor = self.output(functional.gelu(self.intermediate.dense(attended)), attended)
        return output


class _Attention(nn.Module):
    def __init__(self, size: NetworkSize) -> None:
        super().__init__()
        self.self = _Projections(size)
        self.output = _Residual(size.hidden_size, size)
        self._heads = size.num_attention_heads

    def forward(self, hidden: Tensor, packing: _Packing, first_only: bool) -> Tensor:
        asking = hidden[packing.first] if first_only else hidden
        query = self.self.query(asking)
        query = query[:, None] if first_only else packing.pad(query)
        key, value = packing.pad(self.self.key(hidden)), packing.pad(self.self.value(hidden))
        mixed = functional.scaled_dot_product_attention(
            self._split(query), self._split(key), self._split(value), packing.mask
        )
        mixed = mixed.transpose(1, 2).flatten(2)
        attended: Tensor = self.output(mixed[:, 0] if first_only else packing.pack(mixed), asking)
        return attended

    def _split(self, projected: Tensor) -> Tensor:
        """(batch, tokens, hidden) to (batch, heads, tokens, hidden / heads)."""
        batch, tokens, hidden = projected.shape
        return projected.view(batch, tokens, self._heads, hidden // self._heads).transpose(1, 2)


class _Projections(nn.Module):
    def __init__(self, size: NetworkSize) -> None:
        super().__init__()
        self.query = nn.Linear(size.hidden_size, size.hidden_size)
        self.key = nn.Linear(size.hidden_size, size.hidden_size)
        self.value = nn.Linear(size.hidden_size, size.hidden_size)


class _Dense(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.dense = nn.Linear(inputs, outputs)


class _Residual(nn.Module):
    """Linear, added to what went around it, normalised."""

    def __init__(self, inputs: int, size: NetworkSize) -> None:
        super().__init__()
        self.dense = nn.Linear(inputs, size.hidden_size)
        self.LayerNorm = nn.LayerNorm(size.hidden_size, size.layer_norm_eps)

    def forward(self, hidden: Tensor, around: Tensor) -> Tensor:
        normed: Tensor = self.LayerNorm(self.dense(hidden) + around)
        return normed
