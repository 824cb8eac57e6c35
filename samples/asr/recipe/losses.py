"""What training minimises: soft cross-entropy, CTC on the encoder, and guided attention."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from .network import run_network
from .targets import IGNORED, Batch
from .tokens import TIMESTAMPS, Tokens

#: Standard deviation of the timestamp labels, in steps of 0.02 s.
STAMP_SIGMA = 1.5


@dataclass(slots=True)
class Losses:
    """The three losses, and the shares of words right and of timestamps within 0.1 s (teacher forced)."""

    text: torch.Tensor
    ctc: torch.Tensor
    guide: torch.Tensor
    words_right: float
    stamps_right: float


def compute_losses(network: Any, ctc: nn.Linear, batch: Batch, tokens: Tokens) -> Losses:
    """One forward pass under bfloat16."""
    with torch.autocast("cpu", torch.bfloat16):
        out = run_network(network, batch.mel, batch.given)
    keep = batch.wanted != IGNORED
    labels = batch.wanted[keep]
    log_p = functional.linear(out.decoded[keep], network.model.decoder.embed_tokens.weight).log_softmax(-1)
    timed = labels >= tokens.zero
    distance = torch.arange(float(TIMESTAMPS)) - (labels[timed] - tokens.zero)[:, None]
    soft = (-(distance**2) / (2 * STAMP_SIGMA**2)).softmax(-1)
    hard = log_p[~timed].gather(1, labels[~timed][:, None]).sum()
    text = -(hard + (soft * log_p[timed][:, tokens.zero :]).sum()) / len(labels)

    best = log_p.argmax(-1)
    stamps = ((best - labels)[timed].abs() <= 5).float().mean().item() if timed.any() else 0.0
    words = (best == labels)[~timed].float().mean().item()
    spelled = ctc_loss(ctc, out.encoded, batch)
    return Losses(text, spelled, _guide(out.pointing, out.aligning, batch.guides), words, stamps)


def ctc_loss(ctc: nn.Linear, encoded: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Per word, of the encoder's output (B, T, D)."""
    summed = functional.ctc_loss(
        ctc(encoded).log_softmax(-1).transpose(0, 1),
        batch.words,
        torch.full((len(encoded),), encoded.shape[1]),
        batch.word_counts,
        reduction="sum",
        zero_infinity=True,
    )
    return summed / max(1, len(batch.words))


def _guide(pointing: torch.Tensor, aligning: torch.Tensor, guides: torch.Tensor) -> torch.Tensor:
    """Last layer: head 1 inside the span of the next token, head 0 spread evenly over it.

    Layer before: head 0 inside the span of the token just written, a pointer "where am I".
    """
    if not len(guides):
        return torch.zeros(())
    row, token, low, high = guides[:, 0], guides[:, 1], guides[:, 2:3], guides[:, 3:4]
    goes_on = guides[:, 4].bool()

    def inside(values: torch.Tensor, some: torch.Tensor | slice = slice(None)) -> torch.Tensor:
        total = functional.pad(values.cumsum(-1), (1, 0))
        return (total.gather(-1, high[some]) - total.gather(-1, low[some]))[:, 0]

    mass = inside(aligning[row, 1, token]).clamp(min=1e-4).log()
    even = inside(aligning[row, 0, token].clamp(min=1e-5).log()) / (high - low)[:, 0] + (high - low)[:, 0].log()
    here = inside(pointing[row[goes_on], 0, token[goes_on] + 1], goes_on).clamp(min=1e-4).log()
    return -(mass.mean() + even.mean() + here.sum() / max(1, len(here))) / 3
