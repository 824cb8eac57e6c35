"""An uploaded file on its way to a replica."""

import asyncio
import mmap
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartParser

from deployments.errors import InvalidRequest
from serve_app.fields.audio import Upload


async def open_upload(file: UploadFile) -> Upload:
    """The bytes of a file: mapped if it lies on disk, so that they are never in our heap as a whole.

    The bytes outlive the closing of the file. Raises InvalidRequest for an empty file.
    """
    if not file.size:
        raise InvalidRequest("The file is empty.", param="file")
    return Upload(await asyncio.to_thread(_bytes_of, file.file, file.size))


def _bytes_of(file: BinaryIO, size: int) -> NDArray[np.uint8]:
    if size <= MultiPartParser.spool_max_size:
        file.seek(0)
        return np.frombuffer(file.read(), dtype=np.uint8)
    file.flush()
    return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), dtype=np.uint8)
