"""A loaded classifier: texts to token ids, batches of these to probabilities. No Ray, no queue."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from deployments.errors import ModelUnavailable
from deployments.process import reuse_freed_memory
from deployments.text_classification.checkpoint import is_checkpoint
from deployments.text_classification.config import TextClassificationConfig
from deployments.text_classification.cores import Cores
from deployments.text_classification.loading import LoadedClassifier, Padding, load_own, load_transformers
from deployments.text_classification.normalizer import normalize_tweet
from deployments.text_classification.pieces import pieces_of
from deployments.torch_device import choose_device, choose_dtype

MOST_BATCH_TOKENS = {"cpu": 2_048, "cuda": 16_384}  # a batch cannot be interrupted
RESERVED_LABELS = frozenset({"text", "label", "truncated", "start", "end"})  # other keys of a flat answer


@dataclass(frozen=True, slots=True)
class EncodedText:
    """Token ids of one text. ``key`` is what texts of a batch have in common: about the same length in tokens."""

    ids: tuple[int, ...]
    truncated: bool
    key: int


class ClassifierEngine:
    """Load, encode, run, close. ``encode`` and ``run`` may be called from several threads at once."""

    def __init__(self, folder: Path, config: TextClassificationConfig) -> None:
        """Load a folder: one of ours, or a model for sequence classification of the transformers library.

        Raises ModelUnavailable if it is neither, or lacks what it needs.
        """
        self.device = choose_device(config.engine.device)
        if self.device.type == "cpu":
            reuse_freed_memory()
        dtype = choose_dtype(config.engine.dtype, self.device)
        model = load_own(folder) if is_checkpoint(folder) else load_transformers(folder)
        self.max_batch_tokens = config.engine.max_batch_tokens or MOST_BATCH_TOKENS[self.device.type]
        self._cores = Cores(config.engine.threads)
        self._network = model.network.to(self.device, dtype).eval()
        self._pad, self._padding = model.pad_token_id, model.padding
        self._tokenizer = model.tokenizer
        self.labels = model.labels
        if taken := RESERVED_LABELS.intersection(self.labels):
            raise ModelUnavailable(f"Answers use the name {min(taken)!r}; rename this label of the model.")
        self._normalizer = config.normalizer or model.normalizer
        self._sigmoid = (config.activation or model.activation) == "sigmoid"
        self.max_tokens = _max_tokens(config, model)
        self.piece_tokens = min(config.piece_tokens, self.max_tokens)
        self._tokenizer.encode_special_tokens = True  # somebody who writes <pad> means these letters
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self.max_tokens)
        self._framing = self._tokenizer.num_special_tokens_to_add(False)  # tokens around every input

    def encode(self, texts: Sequence[str]) -> list[EncodedText]:
        """Normalise and tokenise texts; what is longer than ``max_tokens`` is cut."""
        if self._normalizer == "tweet":
            # Each token of a tweet is at least one of the model's, but for "ca n't", which becomes one of two.
            texts = [normalize_tweet(text, 2 * self.max_tokens) for text in texts]
        return [self._encoded(text) for text in texts]

    def pieces(self, text: str) -> list[str]:
        """Pieces of a text, about ``piece_tokens`` each, that are all of it together; see ``pieces_of``."""

        def count(texts: Sequence[str]) -> list[int]:
            return [len(encoded.ids) - self._framing for encoded in self.encode(texts)]

        spans = pieces_of(text, count, max(1, self.piece_tokens - self._framing))
        return [text[begin:end] for begin, end in spans]

    @torch.inference_mode()
    def run(self, batch: Sequence[EncodedText]) -> list[tuple[float, ...]]:
        """Probabilities in the order of ``labels`` for every text. Raises RuntimeError for what is none."""
        longest = max(len(text.ids) for text in batch)
        ids = torch.full((len(batch), longest), self._pad)
        mask = torch.zeros((len(batch), longest), dtype=torch.int64)
        for row, text in enumerate(batch):
            ids[row, : len(text.ids)] = torch.tensor(text.ids)
            mask[row, : len(text.ids)] = 1
        with self._cores.share():
            logits = self._network(ids.to(self.device), mask.to(self.device)).float()
        probabilities = logits.sigmoid() if self._sigmoid else logits.softmax(dim=-1)
        rows: list[tuple[float, ...]] = [tuple(row) for row in probabilities.tolist()]
        if not all(map(math.isfinite, (value for row in rows for value in row))):
            raise RuntimeError("the model computed something that is no probability; its weights may be damaged")
        return rows

    def warm_up(self, on_progress: Callable[[float], None] = lambda _: None) -> None:
        """Run a short and a long text, so that the first request does not pay for it."""
        for text in self.encode(["warm", "warm up " * self.max_tokens]):
            self.run([text])

    def close(self) -> None:
        """Free the weights."""
        del self._network
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _encoded(self, text: str) -> EncodedText:
        encoding = self._tokenizer.encode(text)
        ids = tuple(encoding.ids) or (self._pad,)  # some tokenizers make nothing of a control character
        return EncodedText(ids, bool(encoding.overflowing), length_class(len(ids), self._padding))


def length_class(tokens: int, padding: Padding) -> int:
    """The length in tokens up to which texts may share a batch with one of this length.

    Where padding is cheap these are powers of two from 64; where it is expensive at most a quarter more, or 7
    tokens.
    """
    match padding:
        case "cheap":
            return max(64, 1 << (tokens - 1).bit_length())
        case "expensive":
            step = max(8, 1 << max(0, tokens.bit_length() - 3))
            return -(-tokens // step) * step
        case "unknown":
            return tokens


def _max_tokens(config: TextClassificationConfig, model: LoadedClassifier) -> int:
    if config.max_tokens is not None and config.max_tokens > model.max_tokens:
        raise ModelUnavailable(
            f"max_tokens is {config.max_tokens}, but the model takes {model.max_tokens} at most."
        )
    return config.max_tokens or model.max_tokens
