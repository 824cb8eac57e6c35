"""An uploaded file on its way to a replica."""

import asyncio

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartParser

from serve_app.fields.audio import Upload, file_upload


async def open_upload(file: UploadFile) -> Upload:
    """The bytes of a file: mapped if it lies on disk, so that they are never in our heap as a whole.

    The bytes outlive the closing of the file. Raises InvalidRequest for an empty file.
    """
    return await asyncio.to_thread(file_upload, file.file, file.size or 0, MultiPartParser.spool_max_size)
