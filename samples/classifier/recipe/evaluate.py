"""How often a checkpoint is right on sentences that it was not trained on, and how far it can be believed."""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from deployments.text_classification.checkpoint import TOKENIZER, read_checkpoint
from deployments.text_classification.network import TweetClassifier

from .templates import LABELS, UNSEEN_HEADS, UNSEEN_SLOTS
from .texts import Labelled, held_out_texts
from .tokenizer import PAD
from .train import Encoded, encode, padded

BESIDE = (1, 4, 16)
BATCH = 256
BINS = 10


def evaluate(folder: Path, testset: Path, seed: int, sentences: int = 20) -> dict[str, Any]:
    """Figures of a model folder, ready for JSON.

    ``sentences``: of each template that training left out; a fifth of them where others stand beside.
    """
    pages = max(1, sentences // 5)
    config, tensors = read_checkpoint(folder)
    network = TweetClassifier(config.size).eval()
    network.load_state_dict(tensors)
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    rng = random.Random(seed)
    sets = {
        "held-out templates": held_out_texts(sentences, rng),
        "held-out templates, varied": held_out_texts(sentences, rng, varied=True),
        "held-out templates, unseen names": [
            text for text in held_out_texts(sentences, rng, slots=UNSEEN_SLOTS) if names_a_people(text)
        ],
        **{
            f"held-out templates, {count} neutral ones beside": held_out_texts(pages, rng, beside=count)
            for count in BESIDE
        },
        "test set": read_testset(testset),
    }
    return {name: score(network, tokenizer, texts) for name, texts in sets.items()}


def read_testset(path: Path) -> list[Labelled]:
    """One JSON object with ``text`` and ``label`` per line."""
    return [Labelled(**json.loads(line)) for line in path.read_text().splitlines()]


def probabilities(network: TweetClassifier, texts: Sequence[Encoded], pad: int) -> torch.Tensor:
    """(texts, labels)."""
    with torch.inference_mode():
        batches = (texts[start : start + BATCH] for start in range(0, len(texts), BATCH))
        return torch.cat([network(*padded(batch, pad)).softmax(1) for batch in batches])


def score(network: TweetClassifier, tokenizer: Tokenizer, texts: Sequence[Labelled]) -> dict[str, Any]:
    """Accuracy, mean confidence, calibration error, and a row of predictions for every true label."""
    encoded = encode(tokenizer, texts)
    confidence, found = probabilities(network, encoded, tokenizer.token_to_id(PAD)).max(1)
    true = torch.tensor([text.label for text in encoded])
    confusion = torch.zeros(len(LABELS), len(LABELS), dtype=torch.int64)
    confusion.index_put_((true, found), torch.tensor(1), accumulate=True)
    right = (found == true).float()
    return {
        "texts": len(encoded),
        "accuracy": round(right.mean().item(), 4),
        "mean_confidence": round(confidence.mean().item(), 4),
        "calibration_error": round(_calibration_error(confidence, right), 4),
        "confusion": {
            label: dict(zip(LABELS, row, strict=True))
            for label, row in zip(LABELS, confusion.tolist(), strict=True)
        },
    }


def names_a_people(text: Labelled) -> bool:
    """Whether a text made with ``UNSEEN_SLOTS`` has a name of a people in it."""
    return any(head in text.text for head in UNSEEN_HEADS)


def _calibration_error(confidence: torch.Tensor, right: torch.Tensor) -> float:
    """Mean distance between confidence and accuracy over ten bins of confidence, weighted by their sizes."""
    bins = (confidence * BINS).long().clamp(max=BINS - 1)
    gaps = [
        (confidence[bins == number] - right[bins == number]).mean().abs().item() * (bins == number).sum().item()
        for number in bins.unique().tolist()
    ]
    return sum(gaps) / len(confidence)
