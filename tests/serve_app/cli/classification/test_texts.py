"""What ``antiphon classify`` reads: lines of files and pipes, and what in them is no text."""

import asyncio
import itertools
import os
import pty
import termios
import threading
import tracemalloc
from collections.abc import Iterator, Sequence
from io import BytesIO, RawIOBase
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.cli.classification import run, texts
from serve_app.cli.classification.texts import BATCH_CHARS, BATCH_TEXTS, InputText, Item, Refusal, batches
from tests.serve_app.cli.classification.stub import answers, classify, printed, server, start


def items(*names: str | Path) -> list[Item]:
    return [item for batch in batches([*map(str, names)]) for item in batch]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "posts.txt"


def test_blank_lines_are_skipped_and_count(file: Path) -> None:
    file.write_bytes(" one \n\n \t\r\n\u3000\ntwo\r\n\nthree".encode())
    assert items(file) == [
        InputText(f"{file}, line 1", " one "),
        InputText(f"{file}, line 5", "two"),
        InputText(f"{file}, line 7", "three"),
    ]


def test_a_byte_order_mark_is_no_text(file: Path, tmp_path: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbfone\n\xef\xbb\xbftwo\n")
    other = tmp_path / "other.txt"
    other.write_bytes(b"\xef\xbb\xbfthree")
    bare = tmp_path / "bare.txt"
    bare.write_bytes(b"\xef\xbb\xbf\n")
    assert [item.text for item in items(file, other, bare) if isinstance(item, InputText)] == [
        "one",
        "\ufefftwo",
        "three",
    ]


def test_other_separators_stay_in_the_text(file: Path) -> None:
    text = "a\rb\x0bc\x0cd\x85e\u2028f"
    file.write_text(text + "\n", encoding="utf-8", newline="")
    assert items(file) == [InputText(f"{file}, line 1", text)]


def test_lines_that_are_no_text_are_told_and_the_rest_goes_on(file: Path) -> None:
    file.write_bytes(b"one\nt\xc3\xb6 \xff two\nthree\nfo\0ur\nfive \xe2\x82\nsix\n")
    with server() as (_, url):
        result = classify("--server", url, file)
    assert result.exit_code == 1
    assert printed(result.stdout) == answers(["one", "three", "six"])
    assert result.stderr.splitlines() == [
        f"Error: {file}, line 2: Byte 5 is not UTF-8; save the text as UTF-8.",
        f"Error: {file}, line 4: `text` holds a NUL character (U+0000); remove it.",
        f"Error: {file}, line 5: Byte 6 is not UTF-8; save the text as UTF-8.",
    ]


def test_an_argument_that_is_not_utf_8() -> None:
    (item,) = items(os.fsdecode(b"caf\xe9"))
    assert item == Refusal("", "Byte 4 is not UTF-8; save the text as UTF-8.")


def test_long_lines_are_told_and_the_rest_goes_on(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "LINE_BYTES", 10)
    monkeypatch.setattr(texts, "READ_BYTES", 4)
    file.write_bytes(b"0123456789\n0123456789a\n" + b"x" * 1_000 + b"\nlast\n" + b"y" * 11)
    reason = "The line has more than 10 bytes; no model takes as much."
    assert items(file) == [
        InputText(f"{file}, line 1", "0123456789"),
        Refusal(f"{file}, line 2", reason),
        Refusal(f"{file}, line 3", reason),
        InputText(f"{file}, line 4", "last"),
        Refusal(f"{file}, line 5", reason),
    ]


class Endless(RawIOBase):
    """A line of very many bytes."""

    def __init__(self, size: int) -> None:
        self._left = size

    def read(self, size: int = -1) -> bytes:
        size = min(size, self._left)
        self._left -= size
        return b"x" * size


def test_an_endless_line_takes_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "LINE_BYTES", 100_000)
    tracemalloc.start()
    try:
        (line,) = texts._lines(Endless(200_000_000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert line is not None
    assert 100_000 < len(line) < 200_000
    assert peak < 1_000_000


@given(st.lists(st.binary(max_size=20).filter(lambda line: b"\n" not in line), min_size=1), st.integers(1, 30))
def test_lines_are_those_of_the_bytes_however_they_are_read(lines: list[bytes], step: int) -> None:
    source: Any = BytesIO(b"\n".join(lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(texts, "READ_BYTES", step)
        read = list(texts._lines(source))
    assert read == (lines if lines[-1] else lines[:-1])


@given(st.lists(st.one_of(st.integers(1, 300), st.integers(1, 2 * BATCH_CHARS)), max_size=400))
def test_batches_are_bounded_and_lose_nothing(lengths: list[int]) -> None:
    names = ["x" * length for length in lengths]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(texts.os.path, "exists", lambda _: False)
        made = list(batches(names))
    assert [item.text for batch in made for item in batch if isinstance(item, InputText)] == names
    for batch in made:
        assert 1 <= len(batch) <= BATCH_TEXTS
        assert (
            len(batch) == 1 or sum(len(item.text) for item in batch if isinstance(item, InputText)) <= BATCH_CHARS
        )


def test_a_pipe_is_a_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"one\ntwo\n",))
    writer.start()
    assert [item.text for item in items(pipe, "three") if isinstance(item, InputText)] == ["one", "two", "three"]
    writer.join()


def test_a_file_that_cannot_be_read_stops_no_other(file: Path) -> None:
    file.write_text("one\n")
    with server() as (_, url):
        result = classify("--server", url, "/proc/self/mem", file)
    assert (result.exit_code, result.stderr) == (1, "Error: /proc/self/mem: Input/output error.\n")
    assert printed(result.stdout) == answers(["one"])


def test_nothing_to_do(file: Path) -> None:
    file.write_text("\n\n")
    with server() as (gateway, url):
        result = classify("--server", url, file)
    assert (result.exit_code, result.stdout, result.stderr, gateway.asked) == (0, "", "", [])


async def test_reading_waits_for_the_first_answer() -> None:
    asked: list[Sequence[str]] = []
    go_on = asyncio.Event()
    read = itertools.count()

    class Classifier:
        async def classify(self, texts: Sequence[str]) -> list[dict[str, Any]]:
            asked.append(texts)
            if texts == ["0"]:
                await go_on.wait()
            return [{"text": text} for text in texts]

    def source() -> Iterator[list[Item]]:
        for _ in range(20):
            yield [InputText("", str(next(read)))]

    results = run._in_order(Classifier(), source())
    first = asyncio.create_task(anext(results))
    async with asyncio.timeout(10):
        while len(asked) < run.AT_ONCE:
            await asyncio.sleep(0.001)
        for _ in range(100):
            await asyncio.sleep(0)
        assert next(read) == len(asked) == run.AT_ONCE
        go_on.set()
        assert await first == [{"text": "0"}]
        rest = [outcomes async for outcomes in results]
    assert len(rest) == 19


def test_a_bar_appears_when_it_takes_long(file: Path) -> None:
    file.write_text("a text\n" * 2 * BATCH_TEXTS)
    controller, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    with server(1.7, 1.9) as (_, url):
        with start("--server", url, file, stderr=terminal) as process:
            assert process.stdout is not None
            assert len(process.stdout.read().splitlines()) == 2 * BATCH_TEXTS
        shown = os.read(controller, 10_000).decode()
        with start("--server", url, file, stderr=terminal) as process:
            process.stdout.read()
        os.write(terminal, b"nothing else")
        assert os.read(controller, 10_000) == b"nothing else"
    os.close(controller)
    os.close(terminal)
    assert f"{BATCH_TEXTS} texts" in shown
    assert shown.endswith("\r")


@pytest.mark.parametrize("name", ["./nosuch", "nosuch.txt", "../posts/nosuch.csv", "/nosuch"])
def test_a_path_that_leads_nowhere_is_no_text(name: str) -> None:
    ((refusal,),) = batches([name])
    assert refusal == Refusal(name, "There is no such file.")


def test_a_file_of_another_kind_is_refused_once(tmp_path: Path) -> None:
    path = tmp_path / "speech"
    path.write_bytes(b"RIFF\0\0\0\0WAVE" + bytes(range(256)) * 99)
    ((refusal,),) = batches(
        [
            str(path),
        ]
    )
    assert refusal == Refusal(str(path), "This is no text, but a file of another kind.")
