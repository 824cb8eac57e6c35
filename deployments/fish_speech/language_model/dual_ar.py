"""The dual-autoregressive language model of fish-speech 1.1 and 1.5: columns of text and codes to the next frame.

The architecture is fish-speech's (Liao et al., "Fish-Speech: Leveraging Large Language Models for Advanced
Multilingual Text-to-Speech Synthesis"): a slow transformer reads columns of one token and ``num_codebooks`` codes;
for every frame a fast transformer turns its last hidden state into the codes, one codebook after the other.
Parameters have the original's names, except that ``w1`` and ``w3`` are one matrix.

Rows of a batch are rows of one KV cache. See ``transformer.py`` for why a row's neighbours do not change it.
"""

from collections.abc import Iterable
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn import functional

from deployments.fish_speech.language_model.dual_ar_config import DualARConfig
from deployments.fish_speech.language_model.kv_cache import KVCache, PrefillEntries, ShortEntries, StepEntries
from deployments.fish_speech.language_model.transformer import Entries, Layer, RMSNorm, row_multiple


class DualAR(nn.Module):
    """Both transformers with their embeddings and heads.

    ``semantic`` are the token ids of frames, in a column's row 0. Codes are embedded in their columns only; None
    embeds all codes (version 1.1, whose code 0 is the padding of text columns and has zeros for an embedding).
    """

    def __init__(self, config: DualARConfig, semantic: range | None) -> None:
        super().__init__()
        self.config = config
        self.semantic = semantic
        slow, fast = config.slow, config.fast
        self.embeddings = nn.Embedding(config.vocab_size, slow.dim)
        self.codebook_embeddings = nn.Embedding(config.num_codebooks * config.codebook_size, slow.dim)
        self.layers = nn.ModuleList(Layer(slow) for _ in range(config.n_layer))
        self.norm = RMSNorm(slow.dim, slow.norm_eps)
        self.output = None if config.tie_word_embeddings else nn.Linear(slow.dim, config.vocab_size, bias=False)
        self.fast_project_in = nn.Linear(slow.dim, fast.dim) if fast.dim != slow.dim else None
        self.fast_embeddings = nn.Embedding(config.codebook_size, fast.dim)
        self.fast_layers = nn.ModuleList(Layer(fast) for _ in range(config.n_fast_layer))
        self.fast_norm = RMSNorm(fast.dim, fast.norm_eps)
        self.fast_output = nn.Linear(fast.dim, config.codebook_size, bias=False)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.embeddings.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """Type of the parameters."""
        return self.embeddings.weight.dtype

    def new_cache(self, rows: int, length: int) -> KVCache:
        """An empty cache for the slow transformer: ``rows`` requests of at most ``length`` columns each."""
        config = self.config
        return KVCache(config.n_layer, rows, length, config.slow, config.rope_base, self.dtype, self.device)

    def new_fast_cache(self, rows: int) -> KVCache:
        """A cache for the fast transformer. Frames need not empty it for each other."""
        config = self.config
        return KVCache(
            config.n_fast_layer, rows, config.num_codebooks, config.fast, config.rope_base, self.dtype, self.device
        )

    @cached_property
    def row_multiple(self) -> int:
        """Batches are computed with a multiple of so many rows, so that no row's result depends on the others."""
        if self.device.type != "cpu" or self.dtype != torch.float32:
            return 1
        ends = (*self.layers[:1], *self.fast_layers[:1])
        inner = [module.weight for layer in ends for module in layer.modules() if isinstance(module, nn.Linear)]
        return row_multiple([*inner, self.fast_output.weight])

    def padded(self, rows: int) -> int:
        """The number of rows that a batch of ``rows`` is computed with."""
        return -(-rows // self.row_multiple) * self.row_multiple

    def pad(self, tensor: Tensor) -> Tensor:
        """Rows of zeros below a tensor of any shape, up to the number that a batch is computed with."""
        missing = self.padded(tensor.shape[0]) - tensor.shape[0]
        return functional.pad(tensor, (0, 0) * (tensor.dim() - 1) + (0, missing)) if missing else tensor

    def prefill(self, columns: Tensor, cache: KVCache, row: int, offset: int) -> Tensor:
        """Read columns, integers of shape (1 + codebooks, T), that follow ``offset`` earlier ones of a row.

        Returns the last column's hidden state (dim,), before the norm.
        """
        return self.prefill_all(columns, cache, row, offset)[-1]

    def prefill_all(self, columns: Tensor, cache: KVCache, row: int, offset: int) -> Tensor:
        """As ``prefill``, with the hidden states of all columns, (T, dim)."""
        entries = PrefillEntries(cache, row, offset, columns.shape[1])
        return _through(self.layers, self.embed(columns.t()), entries)

    def step(self, columns: Tensor, cache: KVCache, positions: Tensor, length: int) -> Tensor:
        """Read one column in each of the first rows of the cache.

        ``columns`` are integers of shape (B, 1 + codebooks), ``positions`` int64 (B,), all below ``length``, the
        number of cache entries that are looked at; which of the possible lengths it is changes no bit of the
        result. Returns hidden states (B, dim), before the norm. The cache has at least ``padded(B)`` rows, of
        which only the first B are written. Never waits for the device.
        """
        rows = columns.shape[0]
        entries = StepEntries(cache, self.pad(positions), rows, cache.agreeing(length))
        return _through(self.layers, self.embed(self.pad(columns)), entries)[:rows]

    def embed(self, columns: Tensor) -> Tensor:
        """Embeddings (n, dim) of columns, integers of shape (n, 1 + codebooks)."""
        config = self.config
        stride = config.codebook_size if config.share_codebook_embeddings else 0
        offsets = torch.arange(config.num_codebooks, device=columns.device) * stride
        tokens = columns[:, 0]
        codes = self.codebook_embeddings(columns[:, 1:] + offsets).sum(1)
        if self.semantic is not None:
            spoken = (tokens >= self.semantic.start) & (tokens < self.semantic.stop)
            codes = codes.mul_(spoken[:, None])
        embedded: Tensor = self.embeddings(tokens)
        return embedded.add_(codes)

    def token_head(self, rows: Tensor | None = None) -> Tensor:
        """The output matrix for all token ids, or a copy for the ids ``rows`` only: (ids, dim)."""
        weight = self.embeddings.weight if self.output is None else self.output.weight
        return weight if rows is None else weight[rows]

    def token_logits(self, hidden: Tensor, head: Tensor | None = None) -> Tensor:
        """Logits (B, ids) of row 0 after hidden states (B, dim); ``head`` is what ``token_head`` returns."""
        rows = hidden.shape[0]
        return functional.linear(self.norm(self.pad(hidden)), self.token_head() if head is None else head)[:rows]

    def fast_input(self, hidden: Tensor) -> Tensor:
        """What the fast transformer reads first: hidden states (B, dim) to (B, fast dim)."""
        return hidden if self.fast_project_in is None else self.fast_project_in(hidden)

    def fast_step(self, inputs: Tensor, cache: KVCache, position: int) -> Tensor:
        """Logits (B, codebook size) after position ``position`` of a frame, whose inputs are (B, fast dim).

        ``inputs`` are ``fast_input`` at position 0, then ``fast_embeddings`` of the code before. B is padded, see
        ``pad``.
        """
        logits: Tensor = self.fast_output(self.fast_norm(self.fast_hidden(inputs, cache, position)))
        return logits

    def fast_hidden(self, inputs: Tensor, cache: KVCache, position: int) -> Tensor:
        """As ``fast_step``, before the norm and the head."""
        return _through(self.fast_layers, inputs, ShortEntries(cache, inputs.shape[0], position))


def _through(layers: Iterable[nn.Module], hidden: Tensor, entries: Entries) -> Tensor:
    for number, layer in enumerate(layers):
        hidden = layer(hidden, number, entries)
    return hidden
