"""Where a request's audio comes from: bytes sent along, or a URL that is fetched first."""

import asyncio
import contextlib
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from deployments.errors import (
    AudioTooLong,
    ClientError,
    FetchFailed,
    ForbiddenUrl,
    InvalidRequest,
    NoSuchChannel,
    NoSuchTrack,
    PayloadTooLarge,
    UndecodableAudio,
)
from deployments.whisper.sound.heard_audio import HeardAudio, open_heard
from deployments.whisper.types import TranscriptionRequest
from media.decode import BinaryFile, BufferReader, RawPcm
from media.fetch import FetchPolicy, fetch
from media.files.content_types import raw_samples
from media.files.source import says_what_it_is


class AudioSources:
    """Opens the audio of requests, a bounded number of downloads at a time."""

    def __init__(self, fetching: FetchPolicy, downloads: int, threads: Executor, max_audio_s: float) -> None:
        self._fetching, self._threads, self._max_audio_s = fetching, threads, max_audio_s
        self._downloads = asyncio.Semaphore(downloads)

    async def open(
        self,
        request: TranscriptionRequest,
        audio: NDArray[np.uint8] | None,
        stack: contextlib.AsyncExitStack,
    ) -> HeardAudio:
        """What the request hears of its audio; it and its file go when the stack closes.

        Raises InvalidRequest, ForbiddenUrl, FetchFailed, PayloadTooLarge, UndecodableAudio, AudioTooLong,
        NoSuchTrack, NoSuchChannel.
        """
        source: Callable[[], Path | BinaryFile]
        content_type, name = request.content_type, request.file_name
        if request.url is not None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="audio-"))
            async with self._downloads:
                fetched = await fetch(request.url, Path(folder) / "audio", self._fetching)
            source, content_type = partial(Path, fetched.path), fetched.content_type
            name = urlsplit(request.url).path
        elif audio is not None:
            source = partial(BufferReader, audio)
        else:
            raise InvalidRequest("Send audio, as a file or as a URL.", param="file")

        def raw() -> RawPcm | None:
            try:
                return _raw(source, content_type, name)
            except ClientError as error:
                raise InvalidRequest(error.message, param="file" if request.url is None else "url") from error

        def opened() -> HeardAudio:
            return open_heard(
                source,
                channels=request.channels,
                track=request.audio_track,
                max_audio_s=self._max_audio_s,
                raw=raw(),
            )

        return stack.enter_context(await asyncio.get_running_loop().run_in_executor(self._threads, opened))


@contextlib.contextmanager
def blaming(request: TranscriptionRequest) -> Iterator[None]:
    """Errors of fetching and decoding name the field that the audio came in, or the one that chooses from it."""
    try:
        yield
    except NoSuchTrack as error:
        error.param = "audio_track"
        raise
    except NoSuchChannel as error:
        error.param = "channels"
        raise
    except (UndecodableAudio, AudioTooLong, PayloadTooLarge, ForbiddenUrl, FetchFailed) as error:
        error.param = error.param or ("file" if request.url is None else "url")
        raise


def _raw(source: Callable[[], Path | BinaryFile], content_type: str | None, name: str | None) -> RawPcm | None:
    """How to read a file without a header; None if it has one, which alone decides then.

    Raises ClientError for a content type that cannot be honoured.
    """
    opened = source()
    with contextlib.ExitStack() as files:
        file = files.enter_context(opened.open("rb")) if isinstance(opened, Path) else opened
        return None if says_what_it_is(file) else raw_samples(content_type, name)
