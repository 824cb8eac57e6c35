"""Files at random: whatever they hold, they are converted or refused, and nothing else happens."""

import contextlib
import itertools
import pickletools
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployments.text_classification.checkpoint import read_checkpoint
from deployments.text_classification.conversion import ConversionRefused, convert
from deployments.text_classification.conversion.unpickler import InertUnpickler
from tests.deployments.text_classification.conversion import original
from tests.deployments.text_classification.conversion.original import name, text

HOSTILE = settings(suppress_health_check=list(HealthCheck))

SNIPPETS = [
    *(opcode.code.encode("latin-1") for opcode in pickletools.opcodes if opcode.arg is None),
    text("a"),
    text("_modules"),
    b"K\x01",
    b"K\x04",
    b"\x8a\x08" + b"\x7f" * 8,
    b"h\x00",
    b"q\x00",
    b"h\x01",
    b"q\x01",
    name("os", "system"),
    name("collections", "OrderedDict"),
    name("builtins", "set"),
    name("builtins", "getattr"),
    name("torch", "FloatStorage"),
    name("torch", "Tensor"),
    name("torch._utils", "_rebuild_tensor_v2"),
    name("torch._utils", "_rebuild_parameter"),
    name("torch._tensor", "_rebuild_from_type_v2"),
    b"(" + text("storage") + name("torch", "FloatStorage") + text("0") + text("cpu") + b"K\x04tQ",
]

Check = Callable[[bytes], None]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return original.save(
        original.build(num_hidden_layers=1), tmp_path_factory.mktemp("saved") / "model"
    ).read_bytes()


@pytest.fixture(scope="module")
def contents(saved: bytes, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    path = tmp_path_factory.mktemp("contents") / "model"
    path.write_bytes(saved)
    return original.members(path)


@pytest.fixture(scope="module")
def check(tmp_path_factory: pytest.TempPathFactory) -> Check:
    """A file's content is converted to a whole folder, or refused and nothing is left."""
    tokenizer = str(original.write_tokenizer(tmp_path_factory.mktemp("tokenizer")))

    def run(content: bytes) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path, out = Path(folder, "model"), Path(folder, "out")
            path.write_bytes(content)
            refused = None
            try:
                convert(path, out, tokenizer)
            except ConversionRefused as error:
                refused = error
            if refused is None:
                read_checkpoint(out)
            else:
                assert refused.message.isprintable()
                assert [file.name for file in Path(folder).iterdir()] == ["model"]

    return run


def packed(contents: dict[str, bytes]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return original.pack(Path(folder, "model"), contents).read_bytes()


def mutated(content: bytes, changes: list[tuple[float, bytes, int]]) -> bytes:
    """Pieces put in at fractions of the length, in place of a number of bytes."""
    for where, piece, removed in changes:
        at = int(where * len(content))
        content = content[:at] + piece + content[at + removed :]
    return content


changes = st.lists(
    st.tuples(st.floats(0, 1), st.binary(max_size=6) | st.sampled_from(SNIPPETS), st.integers(0, 6)),
    min_size=1,
    max_size=4,
)


@HOSTILE
@given(changes=changes, length=st.floats(0, 1) | st.just(1.0))
def test_damaged_files(saved: bytes, check: Check, changes: list[tuple[float, bytes, int]], length: float) -> None:
    check(mutated(saved, changes)[: int(length * len(saved))])


@HOSTILE
@given(changes=changes)
def test_damaged_directories(saved: bytes, check: Check, changes: list[tuple[float, bytes, int]]) -> None:
    start = saved.index(b"PK\x01\x02")
    check(saved[:start] + mutated(saved[start:], changes))


@HOSTILE
@given(changes=changes)
def test_damaged_pickles(
    contents: dict[str, bytes], check: Check, changes: list[tuple[float, bytes, int]]
) -> None:
    check(packed({**contents, "data.pkl": mutated(contents["data.pkl"], changes)}))


@HOSTILE
@given(data=st.data())
def test_exchanged_opcodes(contents: dict[str, bytes], check: Check, data: st.DataObject) -> None:
    """Single opcodes left out, repeated or exchanged: pickles that stay almost valid."""
    pickle = contents["data.pkl"]
    starts = [at for _, _, at in pickletools.genops(pickle) if at is not None] + [len(pickle)]
    pieces = [pickle[start:end] for start, end in itertools.pairwise(starts)]
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(pieces) - 1))
        other = data.draw(st.integers(0, len(pieces) - 1))
        pieces[at : at + 1] = data.draw(
            st.sampled_from([[], [pieces[at]] * 2, [pieces[other]]]) | st.sampled_from(SNIPPETS).map(lambda x: [x])
        )
    check(packed({**contents, "data.pkl": b"".join(pieces)}))


@HOSTILE
@given(pieces=st.lists(st.sampled_from(SNIPPETS), max_size=40))
def test_random_opcodes(pieces: list[bytes]) -> None:
    unpickler = InertUnpickler(b"".join(pieces) + b".")
    with contextlib.suppress(ConversionRefused):
        unpickler.read()


@HOSTILE
@given(pickle=st.binary(max_size=200))
def test_random_bytes(pickle: bytes) -> None:
    with contextlib.suppress(ConversionRefused):
        InertUnpickler(pickle).read()


@HOSTILE
@given(content=st.binary(max_size=300))
def test_random_files(check: Check, content: bytes) -> None:
    check(content)
    check(b"PK\x03\x04" + content)


def test_the_undamaged_file_is_converted(saved: bytes, contents: dict[str, bytes], check: Check) -> None:
    check(saved)
    check(packed(contents))
