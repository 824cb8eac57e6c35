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


class _Encoder(nn.Module):
    def __init__(self, size: NetworkSize) -> None:
        super().__init__()
        self.embeddings = _Embeddings(size)
        self.encoder = _Layers(size)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """The first token's last hidden state (batch, hidden); nothing reads the others', so the last layer leaves
        them out.
        """
        hidden = self.embeddings(input_ids)
        mask = attention_mask.bool()[:, None, None, :]
        *layers, last = self.encoder.layer
        for layer in layers:
            hidden = layer(hidden, hidden, mask)
        first: Tensor = last(hidden[:, :1], hidden, mask)[:, 0]
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

    def forward(self, queries: Tensor, hidden: Tensor, mask: Tensor) -> Tensor:
        attended = self.attention(queries, hidden, mask)
        output: Tensor = self.output(functional.gelu(self.intermediate.dense(attended)), attended)
        return output


class _Attention(nn.Module):
    def __init__(self, size: NetworkSize) -> None:
        super().__init__()
        self.self = _Projections(size)
        self.output = _Residual(size.hidden_size, size)
        self._heads = size.num_attention_heads

    def forward(self, queries: Tensor, hidden: Tensor, mask: Tensor) -> Tensor:
        query, key, value = (
            self._split(projection(inputs))
            for projection, inputs in (
                (self.self.query, queries),
                (self.self.key, hidden),
                (self.self.value, hidden),
            )
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, mask)
        attended: Tensor = self.output(mixed.transpose(1, 2).flatten(2), queries)
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
