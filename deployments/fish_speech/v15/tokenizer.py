"""The tokenizer of fish-speech 1.5: byte pairs by tiktoken, control tokens, and one token for each first code."""

import base64
import binascii
import json
from pathlib import Path

import tiktoken

from deployments.errors import ModelUnavailable

RANKS, SPECIAL = "tokenizer.tiktoken", "special_tokens.json"
# The seventh alternative looks for a question mark where it was meant to look ahead; models were trained with it.
PATTERN = "|".join(
    (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)",
        r"\p{P}",
        r"[^\r\n\p{L}\p{N}]?\p{L}+",
        r"\p{N}",
        r" ?[^\s\p{L}\p{N}]+[\r\n]*",
        r"\s*[\r\n]+",
        r"\s+(\?!\S)",
        r"\s+",
    )
)
IM_START, IM_END, VOICE = "<|im_start|>", "<|im_end|>", "<|voice|>"


class Tokenizer:
    """Text to token ids. ``semantic`` are the ids that stand for a frame's first code; ``end`` ends a message."""

    def __init__(self, ranks: dict[bytes, int], special: dict[str, int]) -> None:
        """Raises ValueError if a control token is missing, or the semantic ones are not in a row."""
        self._encoding = tiktoken.Encoding(
            "fish-speech", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens=special
        )
        missing = [name for name in (IM_START, IM_END, VOICE) if name not in special]
        if missing:
            raise ValueError(f"the token {missing[0]} is missing")
        self.start, self.end, self.voice = special[IM_START], special[IM_END], special[VOICE]
        ids = [special[name] for number in range(len(special)) if (name := f"<|semantic:{number}|>") in special]
        if not ids or ids != list(range(ids[0], ids[0] + len(ids))):
            raise ValueError("the semantic tokens are not numbered in a row")
        self.semantic = range(ids[0], ids[0] + len(ids))

    def encode(self, text: str) -> list[int]:
        """Token ids of plain text. What looks like a control token is spelt out, so that nobody types one."""
        return self._encoding.encode_ordinary(text)


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer in a model's folder. Raises ModelUnavailable that names the file at fault."""
    try:
        lines = (folder / RANKS).read_bytes().split(b"\n")
        ranks = {
            base64.b64decode(token, validate=True): int(rank)
            for token, rank in map(bytes.split, filter(None, lines))
        }
    except (OSError, ValueError, binascii.Error) as error:
        raise ModelUnavailable(
            f"{RANKS} of the model cannot be read; it lists tokens in base64 with ranks."
        ) from error
    try:
        special = json.loads((folder / SPECIAL).read_bytes())
        if not isinstance(special, dict) or not all(isinstance(number, int) for number in special.values()):
            raise ValueError("it maps no names to numbers")
        return Tokenizer(ranks, special)
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"{SPECIAL} of the model does not fit: {error}.") from error
