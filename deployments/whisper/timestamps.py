"""What a window's tokens mean: pieces of text between timestamps, and where the next window begins."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from faster_whisper.tokenizer import Tokenizer

from deployments.whisper.cuts.timeline import Timeline
from deployments.whisper.engine import HOP, TIME_PRECISION
from media.decode import SAMPLE_RATE

FRAMES_PER_TOKEN = 2  # mel frames per timestamp step
SHORTEST_WINDOW = 10  # frames; less than 0.1 s holds no word
SILENT_REST = 100  # frames after the last timestamp of a closed span that are taken for its padding


@dataclass(slots=True)
class Piece:
    """Tokens from ``start`` to ``end``, in seconds of the span. ``words`` as faster-whisper finds them."""

    tokens: list[int]
    start: float
    end: float
    words: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Split:
    """A window's pieces, the frame of the span at which the next window begins, and whether the model said,
    by a single last timestamp, that no more speech follows.
    """

    pieces: list[Piece]
    next_seek: int
    complete: bool


def split_at_timestamps(
    tokens: Sequence[int], tokenizer: Tokenizer, seek: int, frames: int, closed: bool
) -> Split:
    """Cut the tokens of the window of ``frames`` that begins at frame ``seek``, at its pairs of timestamps.

    Tokens after the last pair belong to speech that the window cut off, so decoding goes on from there. At the
    end of a ``closed`` span a short rest without text is only its padding, and decoding is done.
    """
    begin: int = tokenizer.timestamp_begin
    offset = seek * HOP / SAMPLE_RATE

    def at(token: int) -> float:
        return offset + (token - begin) * TIME_PRECISION

    is_time = [token >= begin for token in tokens]
    complete = len(tokens) >= 2 and is_time[-1] and not is_time[-2]
    cuts = [i for i in range(1, len(tokens)) if is_time[i] and is_time[i - 1]]
    if not cuts:
        times = [token for token in tokens if token >= begin]
        end = at(times[-1]) if times and times[-1] != begin else offset + frames * HOP / SAMPLE_RATE
        return Split([Piece(list(tokens), offset, end)], seek + frames, complete)
    if complete:
        cuts.append(len(tokens))
    pieces = [
        Piece(list(tokens[low:high]), at(tokens[low]), at(tokens[high - 1]))
        for low, high in zip([0, *cuts[:-1]], cuts, strict=True)
    ]
    if complete:
        return Split(pieces, seek + frames, complete)
    reached = min((tokens[cuts[-1] - 1] - begin) * FRAMES_PER_TOKEN, frames)
    cut_off = any(token < tokenizer.eot for token in tokens[cuts[-1] :])
    if reached < SHORTEST_WINDOW or (closed and not cut_off and frames - reached < SILENT_REST):
        reached = frames
    return Split(pieces, seek + reached, complete)


def split_at_seams(
    piece: Piece, stretches: Sequence[int], timeline: Timeline, tokenizer: Tokenizer
) -> list[tuple[Piece, int]]:
    """The piece, cut where its words go over from one of the ``stretches`` in which it is spoken to another; each
    part with its stretch. Without words it stays whole, where most of its sound is.
    """
    if len(stretches) == 1:
        return [(piece, stretches[0])]
    if not piece.words:
        return [(piece, timeline.stretch(piece.start, piece.end, stretches))]
    groups: dict[int, list[dict[str, Any]]] = {}
    stretch = 0
    for word in piece.words:
        stretch = max(stretch, timeline.stretch(float(word["start"]), float(word["end"]), stretches))
        groups.setdefault(stretch, []).append(word)
    if len(groups) == 1:
        return [(piece, stretch)]
    parts: list[tuple[Piece, int]] = []
    rest, start = piece.tokens, piece.start
    for stretch, words in groups.items():
        is_last = words[-1] is piece.words[-1]
        count = len(rest) if is_last else _count_tokens(rest, "".join(word["word"] for word in words), tokenizer)
        end = piece.end if is_last else float(words[-1]["end"])
        start = start if not parts else float(words[0]["start"])
        parts.append((Piece(rest[:count], start, max(end, start + TIME_PRECISION), words), stretch))
        rest = rest[count:]
    return parts


def token_bytes(tokenizer: Tokenizer, token: int) -> bytes:
    """UTF-8 bytes of a text token; a part of a character is possible."""
    written: str = tokenizer.tokenizer.id_to_token(token) or ""
    return bytes(_BYTES[character] for character in written if character in _BYTES)


def _count_tokens(tokens: Sequence[int], text: str, tokenizer: Tokenizer) -> int:
    """How many of the first tokens make the text, with the timestamps before it."""
    missing = len(text.encode())
    for count, token in enumerate(tokens):
        if missing <= 0:
            return count
        if token < tokenizer.eot:
            missing -= len(token_bytes(tokenizer, token))
    return len(tokens)


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's alphabet of byte-level vocabularies: a printable character per byte."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}


_BYTES = _byte_alphabet()
