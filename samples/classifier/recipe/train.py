"""Training: a fixed number of passes over a fixed set of texts, on one thread, the same every time."""

import math
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from deployments.text_classification.network import NetworkSize, TweetClassifier
from deployments.text_classification.normalizer import normalize_tweet

from .templates import LABELS
from .texts import Labelled
from .tokenizer import MASK, PAD

HIDDEN, LAYERS, HEADS, INNER, HEAD_SIZE, POSITIONS = 64, 2, 4, 256, 64, 514
BATCH = 64
RATE, WEIGHT_DECAY, WARM_UP = 2e-3, 0.02, 0.05
SMOOTHING = 0.05
MASKED = 0.1  # tokens that are hidden, so that no single word decides alone
EMBEDDING_SPREAD = 0.05


@dataclass(frozen=True, slots=True)
class Encoded:
    """Ids of one text, its special tokens included, and the number of its label."""

    ids: list[int]
    label: int


def network_size(tokenizer: Tokenizer) -> NetworkSize:
    """The shipped model's sizes."""
    return NetworkSize(
        labels=len(LABELS),
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=INNER,
        max_position_embeddings=POSITIONS,
        head_size=HEAD_SIZE,
        pad_token_id=tokenizer.token_to_id(PAD),
    )


def encode(tokenizer: Tokenizer, texts: Sequence[Labelled]) -> list[Encoded]:
    """The texts as the server would encode them; those that are too long for the model are left out."""
    most = POSITIONS - tokenizer.token_to_id(PAD) - 1
    encodings = tokenizer.encode_batch_fast([normalize_tweet(text.text) for text in texts])
    return [
        Encoded(encoding.ids, LABELS.index(text.label))
        for text, encoding in zip(texts, encodings, strict=True)
        if len(encoding.ids) <= most
    ]


def padded(batch: Sequence[Encoded], pad: int) -> tuple[Tensor, Tensor]:
    """Ids and mask (batch, tokens), int64."""
    length = max(len(text.ids) for text in batch)
    ids = torch.tensor([text.ids + [pad] * (length - len(text.ids)) for text in batch])
    return ids, (ids != pad).long()


def train(tokenizer: Tokenizer, texts: Sequence[Encoded], passes: int, seed: int) -> TweetClassifier:
    """A trained network, in evaluation mode."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    rng = random.Random(seed)
    network = _fresh(network_size(tokenizer))
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=WEIGHT_DECAY, betas=(0.9, 0.98))
    steps = passes * math.ceil(len(texts) / BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, RATE, total_steps=steps, pct_start=WARM_UP, cycle_momentum=False
    )
    loss_of = nn.CrossEntropyLoss(label_smoothing=SMOOTHING)
    pad, mask = tokenizer.token_to_id(PAD), tokenizer.token_to_id(MASK)
    begun = time.monotonic()
    for number in range(passes):
        total = 0.0
        for batch in _batches(texts, rng):
            ids, attention = padded(batch, pad)
            loss = loss_of(
                network(_masked(ids, attention, mask), attention), torch.tensor([t.label for t in batch])
            )
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += loss.item() * len(batch)
        seconds = time.monotonic() - begun
        print(f"pass {number + 1} of {passes}: loss {total / len(texts):.4f}, {seconds:.0f} s", flush=True)
    return network.eval()


def _fresh(size: NetworkSize) -> TweetClassifier:
    network = TweetClassifier(size)
    for module in network.modules():
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=EMBEDDING_SPREAD)
    return network.train()


def _batches(texts: Sequence[Encoded], rng: random.Random) -> Iterator[list[Encoded]]:
    """All texts once, in batches of about equal lengths, which come in random order."""
    order = sorted(texts, key=lambda text: (len(text.ids) + rng.random() * 6, rng.random()))
    batches = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
    rng.shuffle(batches)
    yield from batches


def _masked(ids: Tensor, attention: Tensor, mask: int) -> Tensor:
    hidden = (torch.rand(ids.shape) < MASKED) & (ids > mask) & (attention == 1)
    return ids.masked_fill(hidden, mask)
