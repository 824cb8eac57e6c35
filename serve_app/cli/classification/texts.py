"""What is to be classified: arguments, and the lines of files and of standard input, in batches."""

import os
import select
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import RawIOBase
from typing import Any

from deployments.errors import InvalidRequest
from deployments.text_classification.types import ClassificationRequest

STDIN = "-"
BOM = b"\xef\xbb\xbf"
BATCH_TEXTS = 128
BATCH_CHARS = 250_000
READ_BYTES = 65_536
PATHS, ENDINGS = ("./", "../", "/", "~/"), (".txt", ".csv", ".tsv", ".jsonl", ".md", ".log")  # no words of a text
LINE_BYTES = 40_000_000  # the most characters that a model may be set to take, of four bytes each


@dataclass(frozen=True, slots=True)
class InputText:
    """A text to classify, and where it comes from."""

    place: str
    text: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no answer for what stands in a place."""

    place: str
    reason: str


Item = InputText | Refusal


def batches(names: Sequence[str]) -> Iterator[list[Item]]:
    """What the arguments of the command mean, in order: at most BATCH_TEXTS and, unless one text alone has more,
    BATCH_CHARS at a time. A batch is full when there is no more to read for now. Blocks while it reads.
    """
    batch: list[Item] = []
    chars = 0
    for item in _items(names):
        more = len(item.text) if isinstance(item, InputText) else 0
        if batch and (item is None or len(batch) == BATCH_TEXTS or chars + more > BATCH_CHARS):
            yield batch
            batch, chars = [], 0
        if item is not None:
            batch.append(item)
            chars += more
    if batch:
        yield batch


def _items(names: Sequence[str]) -> Iterator[Item | None]:
    """Texts and refusals; None where going on may mean to wait."""
    for number, name in enumerate(names, 1):
        if name == STDIN:
            stdin: Any = sys.stdin.buffer
            yield from _texts("standard input", getattr(stdin, "raw", stdin))
        elif os.path.exists(name):
            try:
                with open(name, "rb", buffering=0) as file:
                    yield from _texts(name, file)
            except OSError as error:
                yield Refusal(name, f"{error.strerror}.")
        elif name.startswith(PATHS) or name.endswith(ENDINGS):
            yield Refusal(name, "There is no such file.")
        else:
            place = f"argument {number}" if len(names) > 1 else ""
            item = _item(place, name.encode(errors="surrogateescape"))
            yield item or Refusal(place, "The text is blank; leave it out.")


def _texts(name: str, source: RawIOBase) -> Iterator[Item | None]:
    """A text per line that is not blank."""
    number = 0
    for line in _lines(source):
        if line is None:
            yield None
            continue
        number += 1
        if number == 1 and b"\0" in line:
            yield Refusal(name, "This is no text, but a file of another kind.")
            return
        line = (line.removeprefix(BOM) if number == 1 else line).removesuffix(b"\r")
        item = _item(f"{name}, line {number}", line)
        if item is not None:
            yield item


def _item(place: str, line: bytes) -> Item | None:
    """None for a blank line."""
    if len(line) > LINE_BYTES:
        return Refusal(place, f"The line has more than {LINE_BYTES} bytes; no model takes as much.")
    try:
        text = line.decode()
        if not text.strip():
            return None
        ClassificationRequest.of(text, param="text")
    except UnicodeDecodeError as error:
        return Refusal(place, f"Byte {error.start + 1} is not UTF-8; save the text as UTF-8.")
    except InvalidRequest as error:
        return Refusal(place, error.message)
    return InputText(place, text)


def _lines(source: RawIOBase) -> Iterator[bytes | None]:
    """Lines without their ends; None where there is no more for now. Of a line that is too long only so much is
    kept that this can be seen.
    """
    line = bytearray()
    while data := _read(source):
        *ends, rest = data.split(b"\n")
        for end in ends:
            yield bytes(line + end)
            line.clear()
        if len(line) <= LINE_BYTES:
            line += rest
        if _would_block(source):
            yield None
    if line:
        yield bytes(line)


def _read(source: RawIOBase) -> bytes:
    while (data := source.read(READ_BYTES)) is None:  # whoever opened standard input has made it non-blocking
        select.select([source], [], [])
    return data


def _would_block(source: RawIOBase) -> bool:
    try:
        return not select.select([source], [], [], 0)[0]
    except (OSError, ValueError):  # not a file of the operating system
        return False
