"""Containers that torch.save has not written, or that did not arrive whole."""

import os
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest
import torch

from deployments.text_classification.conversion import ConversionRefused, convert
from tests.deployments.text_classification.conversion import original


@pytest.fixture
def contents(tmp_path: Path) -> dict[str, bytes]:
    return original.members(original.save(original.build(), tmp_path / "saved"))


@pytest.mark.filterwarnings("ignore")
def test_the_older_layout(tmp_path: Path) -> None:
    path = original.save(original.build(), tmp_path / "model", _use_new_zipfile_serialization=False)
    message = original.refusal(path).message
    assert message.startswith("The file has the layout of torch before 1.6.")
    assert "torch.save(torch.load(file, map_location='cpu').state_dict(), new_file)" in message


@pytest.mark.parametrize(
    "content", [b"", b"P", b"PK", b"PK\x03\x04", b"\x80\x02N.", b"\0" * 10_000, b"PK\x05\x06" * 99]
)
def test_files_that_are_no_containers(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model").write_bytes(content)
    assert "zip container" in original.refusal(tmp_path / "model").message


def test_a_tar_file(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "model", "w") as file:
        file.add(__file__, "data.pkl")
    assert "no zip container" in original.refusal(tmp_path / "model").message


def test_what_is_no_file(tmp_path: Path) -> None:
    assert "is no file" in original.refusal(tmp_path / "none").message
    (tmp_path / "folder").mkdir()
    assert "is no file" in original.refusal(tmp_path / "folder").message
    os.mkfifo(tmp_path / "pipe")
    assert "is no file" in original.refusal(tmp_path / "pipe").message


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = original.save(original.build(), tmp_path / "model")

    def refuse(_: Path, __: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ConversionRefused, match="model cannot be read: Permission denied"):
        convert(path, tmp_path / "out", str(tmp_path))


@pytest.mark.parametrize(
    "name",
    [
        "data/../data/0",
        "data//0",
        "data/-1",
        "data/0.bin",
        "data/1234567890",
        "constants.pkl",
        "code/__torch__.py",
        "data.pkl/",
        "DATA.PKL",
        "",
        ".data/serialization_id/x",
        "data/0\n",
    ],
)
def test_other_members(tmp_path: Path, contents: dict[str, bytes], name: str) -> None:
    path = original.pack(tmp_path / "model", {**contents, name: b"x"})
    assert "torch.save writes no member named" in original.refusal(path).message


@pytest.mark.parametrize("folder", ["", "/", "..", "/etc", "a/b", "../archive"])
def test_other_folders(tmp_path: Path, contents: dict[str, bytes], folder: str) -> None:
    message = original.refusal(original.pack(tmp_path / "model", contents, folder)).message
    assert "torch.save writes no member named" in message


def test_two_folders(tmp_path: Path, contents: dict[str, bytes]) -> None:
    path = original.pack(tmp_path / "model", contents)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("other/data/999", b"x")
    assert "does not hold exactly one folder" in original.refusal(path).message
    with zipfile.ZipFile(tmp_path / "empty", "w"):
        pass
    assert "does not hold exactly one folder" in original.refusal(tmp_path / "empty").message


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressed_members(tmp_path: Path, contents: dict[str, bytes], compression: int) -> None:
    """However small a bomb is, it is not unpacked."""
    bomb = {"data.pkl": contents["data.pkl"], "data/0": bytes(1 << 24)}
    message = original.refusal(original.pack(tmp_path / "model", bomb, compression=compression)).message
    assert "is compressed or encrypted" in message


def test_encrypted_members(tmp_path: Path, contents: dict[str, bytes]) -> None:
    path = original.pack(tmp_path / "model", contents)
    content = bytearray(path.read_bytes())
    first = content.index(b"PK\x01\x02")
    content[first + 8] |= 1
    path.write_bytes(content)
    assert "data.pkl is compressed or encrypted" in original.refusal(path).message


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_that_are_there_twice(tmp_path: Path, contents: dict[str, bytes]) -> None:
    path = original.pack(tmp_path / "model", contents)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("archive/data/0", b"x")
    assert "data/0 is there twice" in original.refusal(path).message


def test_members_that_state_more_than_there_is(tmp_path: Path, contents: dict[str, bytes]) -> None:
    path = original.pack(tmp_path / "model", contents)
    content = bytearray(path.read_bytes())
    first = content.index(b"PK\x01\x02")
    content[first + 20 : first + 28] = struct.pack("<LL", 1 << 30, 1 << 30)
    path.write_bytes(content)
    assert "state more bytes than the file has" in original.refusal(path).message
    content[first + 20 : first + 28] = struct.pack("<LL", 10, 1 << 30)
    path.write_bytes(content)
    assert "data.pkl states two sizes" in original.refusal(path).message


def test_a_directory_that_is_too_long(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model", "w") as file:
        for number in range(20_000):
            file.writestr(f"archive/data/{number}", b"")
    assert "zip container is broken" in original.refusal(tmp_path / "model").message


@pytest.mark.parametrize("name", ["data.pkl", "data/20"])
def test_missing_members(tmp_path: Path, contents: dict[str, bytes], name: str) -> None:
    del contents[name]
    assert f"lacks its member {name}" in original.refusal(original.pack(tmp_path / "model", contents)).message


@pytest.mark.parametrize("difference", [-4, 4])
def test_storages_of_another_length(tmp_path: Path, contents: dict[str, bytes], difference: int) -> None:
    contents["data/20"] = bytes(len(contents["data/20"]) + difference)
    assert "The member data/20 has" in original.refusal(original.pack(tmp_path / "model", contents)).message


def test_damaged_storages(tmp_path: Path, contents: dict[str, bytes]) -> None:
    path = original.pack(tmp_path / "model", contents)
    content = path.read_bytes()
    at = content.index(contents["data/20"])
    path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    assert "data/20 is damaged: Bad CRC-32" in original.refusal(path).message


def test_the_other_byte_order(tmp_path: Path, contents: dict[str, bytes]) -> None:
    contents["byteorder"] = b"big   "
    assert "not little-endian" in original.refusal(original.pack(tmp_path / "a", contents)).message
    contents["byteorder"] = b"big"
    assert "not little-endian" in original.refusal(original.pack(tmp_path / "b", contents)).message


def test_torch_script(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model", "w") as file:
        for name in ("data.pkl", "constants.pkl", "code/__torch__.py", "version"):
            file.writestr(f"model/{name}", b"x")
    assert "torch.save writes no member named model/constants.pkl" in original.refusal(tmp_path / "model").message


def test_every_truncation(tmp_path: Path) -> None:
    torch.save({"t": torch.zeros(3)}, tmp_path / "saved")
    whole = (tmp_path / "saved").read_bytes()
    for length in range(0, len(whole), 7):
        (tmp_path / "model").write_bytes(whole[:length])
        assert "zip container" in original.refusal(tmp_path / "model").message
