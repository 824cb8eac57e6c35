"""The zip container in which torch saves: one folder with the pickle and one uncompressed member per storage."""

import re
import struct
import zipfile
from pathlib import PurePosixPath
from typing import IO

from deployments.text_classification.conversion.refusal import ConversionRefused, shown

LONGEST_DIRECTORY = 1 << 20  # bytes of the zip's directory; 400 tensors need 30 kB
LONGEST_PICKLE = 1 << 22  # bytes; a RoBERTa of 24 layers needs 200 kB
BLOCK = 1 << 20

_KNOWN = re.compile(r"data\.pkl|version|byteorder|data/[0-9]{1,9}|\.[a-z_]+(/[a-z_]+)?")
_OLDER = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # how files of torch before 1.6 start
_ORDER = b"little"
_BROKEN = (
    zipfile.BadZipFile,
    EOFError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
    struct.error,
)


class CheckpointContainer:
    """The members of a file that ``torch.save`` has written. Raises ConversionRefused for any other one.

    ``size`` is the file's in bytes; the members together never have more.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.size = file.seek(0, 2)
        file.seek(0)
        start = file.read(len(_OLDER))
        if start == _OLDER:
            raise ConversionRefused(
                "The file has the layout of torch before 1.6. In an isolated machine that holds nothing of value, "
                "with the torch and the classes that wrote it, save the tensors again: "
                "`torch.save(torch.load(file, map_location='cpu').state_dict(), new_file)` with torch 1.6 or "
                "newer; then convert the new file."
            )
        if not start.startswith(b"PK"):
            raise ConversionRefused(
                "The file is no zip container, so torch.save (1.6 or newer) has not written it."
            )
        try:
            self._zip = zipfile.ZipFile(_ShortReads(file))
        except _BROKEN as error:
            raise ConversionRefused(f"The zip container is broken: {shown([str(error)])}.") from error
        self._members = self._checked()
        order = self._members.get("byteorder")
        if order is not None and (order.file_size != len(_ORDER) or self.read("byteorder", len(_ORDER)) != _ORDER):
            raise ConversionRefused("The tensors are not little-endian; save them on a little-endian machine.")

    @property
    def pickle(self) -> bytes:
        """The pickle that describes the saved object."""
        size = self.length("data.pkl")
        if size > LONGEST_PICKLE:
            raise ConversionRefused(f"data.pkl has {size} bytes; at most {LONGEST_PICKLE} are read.")
        return bytes(self.read("data.pkl", size))

    def length(self, name: str) -> int:
        """Bytes of a member. Raises ConversionRefused if there is none of this name."""
        member = self._members.get(name)
        if member is None:
            raise ConversionRefused(f"The file lacks its member {shown([name])}; it is not complete.")
        return member.file_size

    def read(self, name: str, size: int) -> bytearray:
        """A member of exactly ``size`` bytes, whose checksum is right."""
        if self.length(name) != size:
            raise ConversionRefused(f"The member {name} has {self.length(name)} bytes instead of {size}.")
        content = bytearray(size)
        view, done = memoryview(content), 0
        try:
            with self._zip.open(self._members[name]) as member:
                while block := member.read(BLOCK):
                    view[done : done + len(block)] = block
                    done += len(block)
        except _BROKEN as error:
            raise ConversionRefused(f"The member {name} is damaged: {shown([str(error)])}.") from error
        if done != size:
            raise ConversionRefused(f"The member {name} ends after {done} of {size} bytes.")
        return content

    def _checked(self) -> dict[str, zipfile.ZipInfo]:
        """Members by their names below the folder."""
        members: dict[str, zipfile.ZipInfo] = {}
        folders = set()
        for member in self._zip.infolist():
            folder, _, name = member.orig_filename.partition("/")
            if folder in ("", "..") or PurePosixPath(folder).name != folder or not _KNOWN.fullmatch(name):
                raise ConversionRefused(
                    f"torch.save writes no member named {shown([member.orig_filename])}; the file is none of its."
                )
            if member.flag_bits & 1 or member.compress_type != zipfile.ZIP_STORED:
                raise ConversionRefused(f"The member {name} is compressed or encrypted; torch.save does neither.")
            if member.compress_size != member.file_size:
                raise ConversionRefused(f"The member {name} states two sizes.")
            if name in members:
                raise ConversionRefused(f"The member {name} is there twice.")
            members[name] = member
            folders.add(folder)
        if len(folders) != 1:
            raise ConversionRefused("The zip container does not hold exactly one folder, as torch.save writes it.")
        if sum(member.file_size for member in members.values()) > self.size:
            raise ConversionRefused("The members state more bytes than the file has.")
        return members


class _ShortReads:
    """A file for the zip reader, which takes the whole directory at once, however long it claims to be."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        """At most ``LONGEST_DIRECTORY`` bytes. Raises ValueError if more are asked for."""
        if size > LONGEST_DIRECTORY:
            raise ValueError(f"{size} bytes at once are too many")
        return self._file.read(size if size >= 0 else LONGEST_DIRECTORY)
