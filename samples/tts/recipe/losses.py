"""What the model is trained on: its codes, and for its heads where to look.

Guided attention (after Tachibana et al. 2018, but with the word known for every frame) and the read-outs only
teach; neither changes the checkpoint.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from .codec import CODES
from .examples import PHONE_CLASSES, PLACE_CLASSES, WORD_CLASSES, Batch
from .network import DualAR
from .tokens import IM_END, SEMANTIC

#: Layer: its heads, and the row of the guides that each has to look at.
GUIDED_HEADS = {1: ((0, 0),), 2: ((0, 1), (2, 2))}
HEARD_LAYER, NEXT_LAYER = 1, 2


class ReadOuts(nn.Module):
    """Linear layers that name what the last frame was and what the next will be. They are not exported."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heard = nn.Linear(width, PHONE_CLASSES + WORD_CLASSES + PLACE_CLASSES)
        self.next = nn.Linear(width, PHONE_CLASSES + 2 * WORD_CLASSES)

    def loss(self, hidden: Tensor, labels: Tensor, layer: int) -> Tensor:
        """Of hidden states (n, width) after ``layer`` and labels (6, n)."""
        if layer == HEARD_LAYER:
            parts = self.heard(hidden).split([PHONE_CLASSES, WORD_CLASSES, PLACE_CLASSES], -1)
            weights, wanted = (1.0, 1.0, 1.0), labels[:3]
        else:
            parts = self.next(hidden).split([PHONE_CLASSES, WORD_CLASSES, WORD_CLASSES], -1)
            weights, wanted = (1.0, 1.0, 0.5), labels[3:]
        terms = zip(parts, wanted, weights, strict=True)
        return torch.stack([functional.cross_entropy(part, label) * weight for part, label, weight in terms]).sum()


@dataclass(frozen=True, slots=True)
class Losses:
    """Cross entropies of the first and the other codebooks, of the guided heads and of the read-outs."""

    first: Tensor
    others: Tensor
    guide: Tensor
    reading: Tensor

    def total(self, help_weight: float) -> Tensor:
        """What is minimised."""
        return 1.5 * self.first + 2 * self.others + help_weight * (self.guide + 0.6 * self.reading)

    def values(self) -> list[float]:
        """The four as numbers."""
        return [float(part.detach()) for part in (self.first, self.others, self.guide, self.reading)]


def corrupt(columns: Tensor, strongest: float) -> Tensor:
    """Replace past frames, of each example a random part of up to ``strongest``, by noise or by other frames.

    So the model learns to go on after a slip of its own.
    """
    size, _, time = columns.shape
    is_frame = columns[:, 0] >= SEMANTIC
    hit = (torch.rand(size, time) < torch.rand(size, 1).square() * strongest) & is_frame
    frames = columns[:, 1:].transpose(1, 2)[is_frame]
    real = frames[torch.randint(0, len(frames), (size, time))].transpose(1, 2)
    wrong = torch.where(torch.rand(size, 1, 1) < 0.5, real, torch.randint(0, CODES, real.shape))
    seen = columns.clone()
    seen[:, 1:] = torch.where(hit[:, None], wrong, columns[:, 1:])
    seen[:, 0] = torch.where(hit, wrong[:, 0] + SEMANTIC, columns[:, 0])
    return seen


def compute_losses(
    network: DualAR, reading: ReadOuts, batch: Batch, strongest: float = 0.0, fast_part: float = 1.0
) -> Losses:
    """``fast_part`` of the frames, drawn anew each time, are enough for the fast transformer."""
    seen = corrupt(batch.columns, strongest) if strongest else batch.columns
    hidden = functional.dropout(network.embed(seen[:, :, :-1]), 0.05, network.training)
    time = hidden.shape[1]
    table, labels, guides = network.table[:time], batch.labels[:, :, :time], batch.guides[:, :, :time]
    speaking = labels[:, 0] >= 0
    guide = read = hidden.new_zeros(())
    for number, layer in enumerate(network.layers):
        heads = GUIDED_HEADS.get(number, ())
        hidden, logs = layer(hidden, table, bool(heads))
        for head, row in heads:
            at = guides[:, row].clamp_min(0)[..., None]
            guide = guide - logs[:, head].gather(2, at)[..., 0][speaking].mean() / len(heads)
        if number in (HEARD_LAYER, NEXT_LAYER):
            read = read + reading.loss(hidden[speaking], labels.transpose(0, 1)[:, speaking], number)
    ahead = batch.spoken[:, 1:]
    hidden, wanted = hidden[ahead], batch.columns[:, :, 1:].transpose(1, 2)[ahead]
    first = functional.cross_entropy(network.token_logits(hidden), wanted[:, 0])
    kept = (wanted[:, 0] != IM_END) & (torch.rand(len(wanted)) < fast_part)
    logits = network.code_logits(hidden[kept], wanted[kept][:, 1:])
    others = functional.cross_entropy(logits.flatten(0, 1), wanted[kept][:, 2:].flatten())
    return Losses(first, others, guide, read)
