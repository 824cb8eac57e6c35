"""What a codec hears in reference recordings: audio files to codes, each file once."""

import contextlib
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from deployments.errors import AudioTooLong, InvalidRequest, UndecodableAudio
from deployments.fish_speech.voices.new_voice import AudioFile
from media.decode import PADDING_S, AudioDecoder, BufferReader

Samples = NDArray[np.float32]
Codes = NDArray[np.int32]

SHORTEST_S = 0.1
"""A shorter recording has no voice in it, and codecs need more than one of their frames."""


@dataclass(frozen=True, slots=True)
class _Heard:
    codes: Codes
    seconds: float


@dataclass(slots=True)
class _Turn:
    lock: threading.Lock = field(default_factory=threading.Lock)
    users: int = 0


class ReferenceCodes:
    """Codes of recordings, the last ``most`` of them remembered.

    What is remembered depends on the bytes of the audio file alone; the transcript comes from the request each
    time. Requests that need the same recording at the same time wait for one of them to encode it.

    ``encode`` takes float32 samples of shape (any,) at ``sample_rate`` Hz and returns int32 codes of shape
    (codebooks, frames). ``max_s`` is how many seconds all references of one request may last. Blocking, safe
    between threads if ``encode`` is.
    """

    def __init__(self, encode: Callable[[Samples], Codes], sample_rate: int, most: int, max_s: float) -> None:
        self._encode, self._sample_rate = encode, sample_rate
        self._most, self._max_s = most, max_s
        self._lock = threading.Lock()
        self._heard: OrderedDict[str, _Heard] = OrderedDict()  # by SHA-256 of the file, longest unused first
        self._turns: dict[str, _Turn] = {}

    def codes(
        self, references: Sequence[tuple[str, AudioFile]], *, param: str = "references"
    ) -> list[tuple[str, Codes]]:
        """Transcripts with the codes of their recordings, in order; the arrays belong to the caller.

        All files are decoded before one is encoded. Errors name the field ``param``: UndecodableAudio for what is
        no audio or has no samples, AudioTooLong for more than ``max_s`` seconds together, InvalidRequest for less
        than a tenth of a second.
        """
        keys = [_sha256(audio) for _, audio in references]
        sounds: list[_Heard | Samples] = []
        left_s = self._max_s
        for number, (key, (_, audio)) in enumerate(zip(keys, references, strict=True), 1):
            with self._blaming(param, number, len(references)):
                sounds.append(self._recall(key) or self._sound(audio, left_s))
                left_s -= self._seconds(sounds[-1])
                if left_s < -PADDING_S:
                    raise AudioTooLong("")
        heard = [
            sound if isinstance(sound, _Heard) else self._hear(key, sound)
            for key, sound in zip(keys, sounds, strict=True)
        ]
        return [(text, one.codes.copy()) for (text, _), one in zip(references, heard, strict=True)]

    def decoded(self, audio: AudioFile) -> Samples:
        """The samples of an audio file: float32 of shape (any,), mono, at the codec's rate.

        Raises UndecodableAudio, AudioTooLong for more than ``max_s`` seconds, InvalidRequest for too few.
        """
        return self._sound(audio, self._max_s)

    def _sound(self, audio: AudioFile, limit_s: float) -> Samples:
        with (
            BufferReader(audio) as file,
            AudioDecoder(file, sample_rate=self._sample_rate, max_duration_s=max(limit_s, 0)) as decoder,
        ):
            samples = np.concatenate(list(decoder))
        seconds = self._seconds(samples)
        if seconds < SHORTEST_S:
            raise InvalidRequest(
                f"The recording lasts {seconds:.3f} s; send at least {SHORTEST_S} s, best 10 to 30 s of speech."
            )
        return samples

    def _hear(self, key: str, samples: Samples) -> _Heard:
        with self._turn(key):
            heard = self._recall(key)
            if heard is None:
                heard = _Heard(np.asarray(self._encode(samples), np.int32), self._seconds(samples))
                with self._lock:
                    self._heard[key] = heard
                    while len(self._heard) > self._most:
                        self._heard.popitem(last=False)
            return heard

    def _recall(self, key: str) -> _Heard | None:
        with self._lock:
            if key in self._heard:
                self._heard.move_to_end(key)
            return self._heard.get(key)

    @contextlib.contextmanager
    def _turn(self, key: str) -> Iterator[None]:
        """One at a time for one recording. When one fails the next one tries."""
        with self._lock:
            turn = self._turns.setdefault(key, _Turn())
            turn.users += 1
        try:
            with turn.lock:
                yield
        finally:
            with self._lock:
                turn.users -= 1
                if not turn.users:
                    del self._turns[key]

    def _seconds(self, sound: _Heard | Samples) -> float:
        return sound.seconds if isinstance(sound, _Heard) else len(sound) / self._sample_rate

    @contextlib.contextmanager
    def _blaming(self, param: str, number: int, count: int) -> Iterator[None]:
        """Errors name the field, and which of several recordings it is, or that all of them are too long."""
        try:
            yield
        except AudioTooLong as error:
            raise AudioTooLong(
                f"The reference recordings last more than {self._max_s:g} s together; send less, best 10 to 30 s.",
                param=param,
            ) from error
        except (UndecodableAudio, InvalidRequest) as error:
            which = f"Recording {number} of {count}: " if count > 1 else ""
            raise type(error)(which + error.message, param=param) from error


def _sha256(audio: AudioFile) -> str:
    return hashlib.sha256(audio.data if isinstance(audio, np.ndarray) else audio).hexdigest()
