"""espeak-ng through its C library: its WORD events tell when each word starts."""

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .speech import Span
from .synthesis import Take, trim

#: Repeated names are drawn more often.
ACCENTS = [
    "en-US", "en-US", "en-US", "en", "en", "en-GB-x-rp", "en-GB-scotland", "en-US-nyc", "en-029",
    "en-GB-x-gbclan", "en-GB-x-gbcwmd",
]  # fmt: skip
#: Left out: robots and what an early model understood worst (klatt* kaukovalta victor zac Lee norbert ...).
VARIANTS = [
    "", "", "", "", "Alex", "Alicia", "Andrea", "Andy", "Annie", "Denis", "Diogo", "Gene", "Gene2", "Hugo",
    "Jacky", "Marco", "Mario", "Michael", "Mike", "adam", "anika", "announcer", "antonio", "aunty", "benjamin",
    "caleb", "david", "ed", "edward", "f1", "f2", "f3", "f5", "grandma", "grandpa", "gustave", "iven", "iven2",
    "iven3", "john", "linda", "m1", "m2", "m3", "m4", "m5", "m6", "m8", "max", "michel", "miguel", "pablo",
    "paul", "pedro", "rob", "robert", "sandro", "shelby", "steph2", "steph3",
]  # fmt: skip
HELD_OUT_VARIANTS = ["f4", "m7", "belinda", "steph", "quincy", "edward2", "Henrique", "marcelo"]

_SYNCHRONOUS, _UTF8, _WORD_EVENT, _LAST_EVENT = 2, 1, 1, 0
#: espeak_PARAMETER numbers.
_SPEED, _PITCH, _RANGE, _WORD_GAP = 1, 3, 4, 7


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


class Espeak:
    """The engine; one per process."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libespeak-ng.so.1")
        self._rate: int = self._library.espeak_Initialize(_SYNCHRONOUS, 0, None, 0)
        signature: Callable[..., Any] = ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
        )
        self._callback = signature(self._collect)
        self._library.espeak_SetSynthCallback(self._callback)
        self._audio: list[NDArray[np.int16]] = []
        self._starts: list[float] = []

    def _collect(self, samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            self._audio.append(np.ctypeslib.as_array(samples, (count,)).copy())
        number = 0
        while events[number].type != _LAST_EVENT:
            if events[number].type == _WORD_EVENT:
                self._starts.append(events[number].audio_position / 1000)
            number += 1
        return 0

    def say(self, text: str, voice: str, speed: int, pitch: int, pitch_range: int, word_gap: int) -> Take | None:
        """``voice``: accent+variant; ``speed``: words per minute; pitch and range 0-100; gap in 10 ms."""
        self._audio, self._starts = [], []
        if self._library.espeak_SetVoiceByName(f"gmw/{voice}".encode()):
            raise ValueError(f"espeak-ng has no voice gmw/{voice}")
        for parameter, value in ((_SPEED, speed), (_PITCH, pitch), (_RANGE, pitch_range), (_WORD_GAP, word_gap)):
            self._library.espeak_SetParameter(parameter, value, 0)
        data = text.encode() + b"\0"
        self._library.espeak_Synth(data, len(data), 0, 1, 0, _UTF8, None, None)
        self._library.espeak_Synchronize()
        audio = np.concatenate(self._audio).astype(np.float32)
        times: list[Span] | None = None
        if len(self._starts) == len(text.split()):
            times = list(zip(self._starts, [*self._starts[1:], len(audio) / self._rate], strict=True))
        return trim(audio, self._rate, times)
