"""From logits to one code per row, in fish-speech's order of steps. Nothing here waits for the device.

Logits are float32 of shape (B, V); ``temperature``, ``top_p`` and ``penalty`` are float32 of shape (B,).
"""

import math

import torch
from torch import Tensor

LOWEST_TEMPERATURE = 1e-5


def penalised(logits: Tensor, seen: Tensor, penalty: Tensor) -> Tensor:
    """Logits with those of the ids ``seen``, int64 (B, n), made smaller: divided by the penalty, or, if they are
    negative, multiplied by it. An id that is there twice is penalised once.
    """
    values = logits.gather(1, seen)
    factor = penalty[:, None]
    return logits.scatter(1, seen, torch.where(values < 0, values * factor, values / factor))


def probabilities(logits: Tensor, temperature: Tensor, top_p: Tensor) -> Tensor:
    """Probabilities (B, V) of what may be drawn.

    The most probable ids are kept, as long as the sum of their probabilities, their own included, is at most
    ``top_p``; the best one always is. **Only then** the temperature applies.
    """
    kept, ids = _kept(logits, temperature, top_p)
    return torch.zeros_like(logits).scatter_(1, ids, kept)


def draw(logits: Tensor, temperature: Tensor, top_p: Tensor, noise: Tensor) -> Tensor:
    """One id per row, int64 (B,): the one with the largest quotient of its probability and its ``noise``, draws
    from Exp(1) of the logits' shape.
    """
    kept, ids = _kept(logits, temperature, top_p)
    best = kept.div_(noise.gather(1, ids)).argmax(1, keepdim=True)
    return ids.gather(1, best)[:, 0]


def _kept(logits: Tensor, temperature: Tensor, top_p: Tensor) -> tuple[Tensor, Tensor]:
    """Probabilities in falling order, and the ids that they belong to; 0 for those that are not kept."""
    ordered, ids = logits.sort(dim=1, descending=True, stable=True)
    mass = ordered.softmax(1).cumsum(1)
    mass[:, 0] = 0
    ordered = ordered.masked_fill_(mass > top_p[:, None], -math.inf)
    return ordered.div_(temperature.clamp(min=LOWEST_TEMPERATURE)[:, None]).softmax(1), ids
