"""Model folders in the layout of a fish-speech 1.5 checkpoint."""

import base64
import json
from pathlib import Path

import torch
from torch import Tensor

from deployments.fish_speech.segment_limits import FILE as LIMITS_FILE
from samples.asr.recipe.vocabulary import WORDS

from . import codec
from .codec import CODES
from .network import SIZE, DualAR
from .tokens import RANKS, SEMANTIC, SPECIALS, VOCABULARY_SIZE, word_forms, write_tokenizer

MODEL, CODEC = "model.pth", "firefly-gan-vq-fsq-4x200-25hz-generator.pth"
#: What a segment may take: one earlier segment, as in training; half again as long as the slowest of 480 texts.
LIMITS = {"history": 64, "pause_s": 1.0, "letter_s": 0.1}
#: New words start at the mean of the known ones, plus so much of their spread.
SPREAD = 0.6


def write_settings(folder: Path) -> None:
    """All files of the folder but the weights."""
    folder.mkdir(parents=True, exist_ok=True)
    write_tokenizer(folder)
    (folder / "config.json").write_text(json.dumps(SIZE.as_json(), indent=1) + "\n")
    (folder / "firefly.json").write_text(codec.SIZE.model_dump_json(indent=1) + "\n")
    (folder / LIMITS_FILE).write_text(json.dumps({"segments": LIMITS}, indent=1) + "\n")


def save_model(folder: Path, network: DualAR) -> None:
    """Write the language model's weights, whole or not at all."""
    fresh = folder / f"{MODEL}.new"
    torch.save(network.state_dict(), fresh)
    fresh.replace(folder / MODEL)


def load_model(folder: Path, network: DualAR) -> None:
    """Read a language model that may have fewer words: embeddings are matched by token."""
    state: dict[str, Tensor] = torch.load(folder / MODEL, weights_only=True)
    state["embeddings.weight"] = _match_embeddings(folder, state["embeddings.weight"])
    network.load_state_dict(state)


def _match_embeddings(folder: Path, stored: Tensor) -> Tensor:
    ranks: dict[bytes, int] = {}
    for line in (folder / "tokenizer.tiktoken").read_text().splitlines():
        piece, rank = line.split()
        ranks[base64.b64decode(piece)] = int(rank)
    specials: dict[str, int] = json.loads((folder / "special_tokens.json").read_text())
    generator = torch.Generator().manual_seed(3)
    matched = torch.zeros(VOCABULARY_SIZE, stored.shape[1])
    for piece, rank in RANKS.items():
        if piece in ranks:
            matched[rank] = stored[ranks[piece]]
    for form in range(4):
        pieces = [word_forms(word)[form].encode() for word in WORDS]
        known = torch.stack([stored[ranks[piece]] for piece in pieces if piece in ranks])
        for piece in pieces:
            if piece not in ranks:
                noise = torch.randn(known.shape[1], generator=generator)
                matched[RANKS[piece]] = known.mean(0) + SPREAD * known.std(0) * noise
    ours = SPECIALS | {f"<|semantic:{code}|>": SEMANTIC + code for code in range(CODES)}
    for name, token in ours.items():
        matched[token] = stored[specials[name]]
    return matched
