"""The tokenizer of fish-speech 1.5: byte pairs, and the ids of control tokens in ``special_tokens.json``."""

import base64
import binascii
import json
from pathlib import Path

import tiktoken

from deployments.errors import ModelUnavailable

RANKS, SPECIAL_TOKENS = "tokenizer.tiktoken", "special_tokens.json"
IM_START, IM_END, VOICE = "<|im_start|>", "<|im_end|>", "<|voice|>"
_SEMANTIC = "<|semantic:{}|>"

# Where a text is cut before byte pairs are merged. The last but one has a mistake of the original, which the
# models were trained with: it asks for a question mark and an exclamation mark instead of looking ahead.
_PIECES = "|".join(
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


class Tokenizer:
    """Ids of text and of control tokens.

    ``semantic`` are the ids of the tokens that stand for the first codebook's entries.
    """

    def __init__(self, folder: Path) -> None:
        """Read a model's folder. Raises ModelUnavailable if a file is missing or broken."""
        ranks, self._special = _ranks(folder / RANKS), _special_tokens(folder / SPECIAL_TOKENS)
        try:
            self._encoding = tiktoken.Encoding(
                folder.name, pat_str=_PIECES, mergeable_ranks=ranks, special_tokens=self._special
            )
        except ValueError as error:
            raise ModelUnavailable(f"{RANKS} and {SPECIAL_TOKENS} do not fit together: {error}.") from error
        self.im_start, self.im_end, self.voice = map(self._control, (IM_START, IM_END, VOICE))
        first = self._control(_SEMANTIC.format(0))
        count = 0
        while self._special.get(_SEMANTIC.format(count)) == first + count:
            count += 1
        if _SEMANTIC.format(count) in self._special:
            raise ModelUnavailable(f"{SPECIAL_TOKENS} has semantic tokens without consecutive ids.")
        self.semantic = range(first, first + count)

    def encode(self, text: str) -> list[int]:
        """Ids of a text. What looks like a control token is text, too."""
        return self._encoding.encode_ordinary(text)

    def _control(self, name: str) -> int:
        if name not in self._special:
            raise ModelUnavailable(f"{SPECIAL_TOKENS} lacks {name}.")
        return self._special[name]


def _ranks(path: Path) -> dict[bytes, int]:
    try:
        lines = [line.split() for line in path.read_bytes().splitlines()]
        ranks = {base64.b64decode(token, validate=True): int(rank) for token, rank in filter(None, lines)}
    except OSError as error:
        raise ModelUnavailable(f"The model lacks the file {path.name}.") from error
    except (ValueError, binascii.Error) as error:
        raise ModelUnavailable(f"{path.name} has lines that are not a token in Base64 and its rank.") from error
    if missing := [byte for byte in range(256) if bytes([byte]) not in ranks]:
        raise ModelUnavailable(f"{path.name} has no token for the byte {missing[0]}.")
    return ranks


def _special_tokens(path: Path) -> dict[str, int]:
    try:
        ids = json.loads(path.read_bytes())
    except OSError as error:
        raise ModelUnavailable(f"The model lacks the file {path.name}.") from error
    except ValueError as error:
        raise ModelUnavailable(f"{path.name} is not JSON.") from error
    if not isinstance(ids, dict) or not all(type(number) is int and number >= 0 for number in ids.values()):
        raise ModelUnavailable(f"{path.name} does not say the ids of tokens by their names.")
    return ids
