"""Tokens of the model: whole words of the vocabulary, bytes for all else; prompts made of them."""

import base64
import json
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from samples.asr.recipe.vocabulary import WORDS

from .codec import CODEBOOKS, CODES

#: A piece of text that is itself a rank becomes one token, so that whole words need no merges.
FRAME_WORDS = ("system", "user", "assistant", "Speak", " out", " the", " provided", " text")
CONTROLS = (
    *("<|begin_of_text|>", "<|end_of_text|>", "<|pad|>", "<|im_start|>", "<|im_end|>", "<|placeholder:0|>"),
    *("<|placeholder:1|>", "<|placeholder:2|>", "<|placeholder:3|>", "<|text|>", "<|voice|>", "<|interleave|>"),
)
#: The original's pattern as far as ASCII text without runs of spaces goes.
_PIECES = re.compile(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[.,!?;:\-'\"]|[^\r\nA-Za-z0-9]?[A-Za-z]+|[0-9]"
    r"| ?[^\sA-Za-z0-9]+[\r\n]*|\s*[\r\n]+|\s+"
)


def word_forms(word: str) -> tuple[str, str, str, str]:
    """The spellings of a word that are one token each."""
    return word, f" {word}", word.capitalize(), f" {word.capitalize()}"


def _ranks() -> dict[bytes, int]:
    ranks = {bytes([value]): value for value in range(256)}
    for piece in (*FRAME_WORDS, *(form for word in WORDS for form in word_forms(word))):
        ranks.setdefault(piece.encode(), len(ranks))
    return ranks


RANKS = _ranks()
SPECIALS = {name: len(RANKS) + i for i, name in enumerate(CONTROLS)}
SEMANTIC = len(RANKS) + len(SPECIALS)
VOCABULARY_SIZE = SEMANTIC + CODES
IM_START, IM_END, VOICE, PAD = (SPECIALS[f"<|{name}|>"] for name in ("im_start", "im_end", "voice", "pad"))
#: Tokens that stand for one spoken word each.
WORD_TOKENS = frozenset([*range(48, 58), *(RANKS[form.encode()] for word in WORDS for form in word_forms(word))])


def encode(text: str) -> list[int]:
    """Token ids of a text without special tokens."""
    ids: list[int] = []
    for piece in _PIECES.findall(text):
        raw = piece.encode()
        ids += [RANKS[raw]] if raw in RANKS else list(raw)
    return ids


SYSTEM = (IM_START, *encode("system\nSpeak out the provided text."), IM_END)
ASSISTANT = (IM_START, *encode("assistant\n"), VOICE)


def user(text: str) -> list[int]:
    """The message that asks for ``text``."""
    return [IM_START, *encode("user\n"), *encode(text), IM_END]


def columns(ids: list[int], codes: NDArray[np.int16] | None = None, first: int = 0) -> NDArray[np.int64]:
    """(1 + codebooks, ids): tokens, and below those from ``first`` on ``codes`` (codebooks, n); else zeros."""
    matrix = np.zeros((1 + CODEBOOKS, len(ids)), np.int64)
    matrix[0] = ids
    if codes is not None:
        matrix[1:, first : first + codes.shape[1]] = codes
    return matrix


def write_tokenizer(folder: Path) -> None:
    """``tokenizer.tiktoken`` and ``special_tokens.json`` as the original has them."""
    ranks = "".join(f"{base64.b64encode(piece).decode()} {rank}\n" for piece, rank in RANKS.items())
    (folder / "tokenizer.tiktoken").write_text(ranks)
    semantic = {f"<|semantic:{code}|>": SEMANTIC + code for code in range(CODES)}
    (folder / "special_tokens.json").write_text(json.dumps(SPECIALS | semantic, indent=0) + "\n")
