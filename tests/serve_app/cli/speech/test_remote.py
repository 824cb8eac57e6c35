"""Speech of a server on its way to the file."""

from typing import Any

import numpy as np

from media.encode import encode
from serve_app.cli.progress import Bar
from serve_app.cli.speech.remote import _WavStream
from serve_app.cli.speech.sound import SpeechWriter


def test_samples_are_not_touched_on_the_way() -> None:
    """All 65,536 values of 16-bit sound come out as they went in."""

    samples = np.arange(-32_768, 32_768).astype(np.float32) / 32_768
    wav = encode(samples, "wav", 8_000)
    taken: list[np.ndarray[Any, Any]] = []

    class Taking(SpeechWriter):
        def add(self, samples: Any, rate: int) -> None:
            assert rate == 8_000
            taken.append(samples)

    with Bar("", shown=False) as bar:
        stream = _WavStream(Taking(None, "wav", None, bar))
        for start in range(0, len(wav), 777):
            stream.add(wav[start : start + 777])
    np.testing.assert_array_equal(np.concatenate(taken), samples)
