"""The tokenizer of fish-speech 1.1: ``tokenizer.json``, or else the byte table that it was made as."""

from pathlib import Path
from typing import Protocol

import tokenizers

from deployments.errors import ModelUnavailable

FILE = "tokenizer.json"
BEGIN, END = "<|begin_of_sequence|>", "<|end_of_sequence|>"
IM_START, IM_SEP, IM_END = "<|im_start|>", "<|im_sep|>", "<|im_end|>"
SEMANTIC, PAD = "<|semantic|>", "<|pad|>"

_CONTROL = (BEGIN, END, IM_START, IM_SEP, IM_END, SEMANTIC, PAD)
# Byte-level tokenizers write bytes as characters: those that can be printed as themselves, the others as
# characters that come later. The table is in the order of these characters.
_PRINTED = (*range(33, 127), *range(161, 173), *range(174, 256))
_BYTES = (*_PRINTED, *(byte for byte in range(256) if byte not in _PRINTED))


class Tokenizer(Protocol):
    """Ids of text and of control tokens. ``semantic`` stands for a frame's sound, ``im_end`` and ``end`` end."""

    semantic: int
    im_end: int
    end: int

    def encode(self, text: str) -> list[int]:
        """Ids of a text. What looks like a control token is text, too."""
        ...

    def control(self, name: str) -> list[int]:
        """Ids of a control token, usually one."""
        ...


class ByteTokenizer:
    """Seven control tokens, then one token for every byte of UTF-8."""

    def __init__(self) -> None:
        self._ids = {byte: len(_CONTROL) + place for place, byte in enumerate(_BYTES)}
        self.semantic, self.im_end, self.end = (_CONTROL.index(name) for name in (SEMANTIC, IM_END, END))

    def encode(self, text: str) -> list[int]:
        """Ids of a text, one per byte."""
        return [self._ids[byte] for byte in text.encode("utf-8", "replace")]

    def control(self, name: str) -> list[int]:
        """The id of a control token."""
        return [_CONTROL.index(name)]


class FileTokenizer:
    """A ``tokenizer.json``."""

    def __init__(self, path: Path) -> None:
        """Raises ModelUnavailable if it is missing, broken, or lacks a control token."""
        try:
            self._tokenizer = tokenizers.Tokenizer.from_str(path.read_text("utf-8"))
        except OSError as error:
            raise ModelUnavailable(f"The model lacks the file {path.name}.") from error
        except Exception as error:  # the library raises plain ones
            raise ModelUnavailable(f"{path.name} is not a tokenizer: {error}.") from error
        self._tokenizer.encode_special_tokens = True  # as text, that is
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        ids = {name: self._tokenizer.token_to_id(name) for name in _CONTROL}
        if missing := [name for name, number in ids.items() if number is None]:
            raise ModelUnavailable(f"{path.name} lacks {missing[0]}.")
        self._control = {name: number for name, number in ids.items() if number is not None}
        self.semantic, self.im_end, self.end = (self._control[name] for name in (SEMANTIC, IM_END, END))

    def encode(self, text: str) -> list[int]:
        """Ids of a text."""
        known = text.encode("utf-8", "replace").decode("utf-8")
        ids: list[int] = self._tokenizer.encode(known, add_special_tokens=False).ids
        return ids

    def control(self, name: str) -> list[int]:
        """The id of a control token."""
        return [self._control[name]]


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a model's folder. Raises ModelUnavailable if its file is broken."""
    path = folder / FILE
    return FileTokenizer(path) if path.is_file() else ByteTokenizer()
