"""Where a request's audio comes from: bytes sent along, or a URL that is fetched first."""

import asyncio
import contextlib
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from deployments.errors import (
    AudioTooLong,
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
        content_type = request.content_type
        if request.url is not None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="audio-"))
            async with self._downloads:
                fetched = await fetch(request.url, Path(folder) / "audio", self._fetching)
            source, content_type = partial(Path, fetched.path), fetched.content_type
        elif audio is not None:
            source = partial(BufferReader, audio)
        else:
            raise InvalidRequest("Send audio, as a file or as a URL.", param="file")
        raw = raw_format(content_type)

        def opened() -> HeardAudio:
            return open_heard(
                source,
                channels=request.channels,
                track=request.audio_track,
                max_audio_s=self._max_audio_s,
                raw=raw,
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


def raw_format(content_type: str | None) -> RawPcm | None:
    """How to read headerless 16-bit PCM, if the content type says that it is; 16 kHz mono unless it says more."""
    kind, *parameters = (content_type or "").lower().split(";")
    if kind.strip() not in ("audio/pcm", "audio/raw", "audio/l16"):
        return None
    values = dict(_parameters(parameters))
    order: Literal["little", "big"] = "big" if kind.strip() == "audio/l16" else "little"  # RFC 3551
    try:
        return RawPcm(int(values.get("rate", 16_000)), int(values.get("channels", 1)), order)
    except ValueError as error:
        raise InvalidRequest(
            "The content type's rate and channels must be whole numbers.", param="file"
        ) from error


def _parameters(parts: list[str]) -> Iterator[tuple[str, str]]:
    for part in parts:
        name, _, value = part.partition("=")
        yield name.strip(), value.strip().strip('"')
