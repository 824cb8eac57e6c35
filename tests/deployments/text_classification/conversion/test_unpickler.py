"""Pickles that are broken, or hold what torch.save does not write; and how their names are shown."""

from pathlib import Path

import pytest

from tests.deployments.text_classification.conversion import original
from tests.deployments.text_classification.conversion.original import name, text


@pytest.mark.parametrize(
    ("opcodes", "problem"),
    [
        (b"\x82\x01.", "the opcode EXT1"),
        (b"\x83\x01\x00.", "the opcode EXT2"),
        (b"\x84\x01\x00\x00\x00.", "the opcode EXT4"),
        (b"Pstorage\n.", "the opcode PERSID"),
        (b"\x97.", "the opcode NEXT_BUFFER"),
        (b"N\x98.", "the opcode READONLY_BUFFER"),
        (b"\x96\x01\x00\x00\x00\x00\x00\x00\x00x.", "the opcode BYTEARRAY8"),
        (b"S'x'\n.", "the opcode STRING"),
        (b"I1\n.", "the opcode INT"),
        (b"(l.", "the opcode LIST"),
        (b"(d.", "the opcode DICT"),
        (b"N2\x86.", "the opcode DUP"),
        (b"NQ.", "A persistent id in the file is not that of a storage"),
        (b"N", "no valid pickle"),
        (b"", "no valid pickle"),
        (b".", "leaves something over"),
        (b"NN.", "leaves something over"),
        (b"(N.", "leaves something over"),
        (b"N.N.", "leaves something over"),
        (b"\xff.", "no valid pickle"),
        (b"R.", "no valid pickle"),
        (b"NNR.", "no valid pickle"),
        (b"h\x07.", "no valid pickle"),
        (b"]Nb.", "no valid pickle"),
        (b"}(NNNu.", "no valid pickle"),
        (b"NNa.", "no valid pickle"),
        (b"cos\\q\nsystem\n.", "neither a module nor a state dict"),
        (b"c\xc3\xa9\nx\n.", "no valid pickle"),
        (b"t.", "no valid pickle"),
        (b"o.", "no valid pickle"),
        (b"NN\x93.", "no valid pickle"),
    ],
)
def test_other_opcodes_and_broken_pickles(tmp_path: Path, opcodes: bytes, problem: str) -> None:
    error = original.refusal(original.pickled(tmp_path / "model", opcodes))
    assert problem in error.message


def test_names_cannot_forge_what_is_printed(tmp_path: Path) -> None:
    payload = b"\x80\x04" + text("a\x1b[31m\nok\ud7ff") + text("b" * 300) + b"\x93."
    message = original.refusal(original.pickled(tmp_path / "model", payload)).message
    assert message.isprintable()
    assert "a\\x1b[31m\\nok" in message
    assert len(message) < 400


def test_a_thousand_names_are_counted(tmp_path: Path) -> None:
    payload = b"".join(name("m", f"n{number}") + b"0" for number in range(1000)) + b"N."
    error = original.refusal(original.pickled(tmp_path / "model", payload))
    assert len(error.names) == 1000
    assert "m.n0, m.n1, " in error.message
    assert error.message.endswith(" and 960 more; none of it was run.")
