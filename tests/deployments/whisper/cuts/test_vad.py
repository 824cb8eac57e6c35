"""Streaming speech detection finds exactly what faster-whisper finds in the whole file."""

import numpy as np
import pytest
from faster_whisper import vad as reference
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from deployments.whisper.cuts.vad import CHUNK, SpeechDetector
from deployments.whisper.types import VadOptions
from media.decode import SAMPLE_RATE, AudioDecoder
from tests.deployments.whisper.support import LONG, SAMPLES

Samples = NDArray[np.float32]


def streamed(detector: SpeechDetector, samples: Samples, sizes: list[int]) -> list[tuple[int, int]]:
    """Regions, with the audio fed in blocks of the given sizes in turn."""
    regions, position, turn = [], 0, 0
    while position < len(samples):
        block = samples[position : position + sizes[turn % len(sizes)]]
        assert detector.needed_from <= position
        regions += list(detector.feed(block))
        position += len(block)
        turn += 1
    return [(region.start, region.end) for region in [*regions, *detector.finish()]]


def expected(samples: Samples, window: float, options: VadOptions) -> list[tuple[int, int]]:
    """The reference's regions."""
    expected_regions = reference.get_speech_timestamps(
        samples,
        reference.VadOptions(
            threshold=options.threshold,
            min_speech_duration_ms=options.min_speech_duration_ms,
            max_speech_duration_s=window,
            min_silence_duration_ms=options.min_silence_duration_ms,
            speech_pad_ms=options.speech_pad_ms,
        ),
    )
    return [(region["start"], region["end"]) for region in expected_regions]


probabilities = st.lists(
    st.tuples(st.sampled_from([0.02, 0.3, 0.37, 0.45, 0.52, 0.95]), st.integers(1, 120)), min_size=1, max_size=40
)
vad_options = st.builds(
    VadOptions,
    threshold=st.sampled_from([0.3, 0.5, 0.7]),
    min_speech_duration_ms=st.sampled_from([0, 100, 500]),
    min_silence_duration_ms=st.sampled_from([0, 50, 160, 500, 2_000]),
    speech_pad_ms=st.sampled_from([0, 30, 400, 1_000]),
)


@given(
    probabilities,
    vad_options,
    st.sampled_from([5.0, 10.0, 30.0]),
    st.integers(1, CHUNK - 1),
    st.lists(st.sampled_from([1, 511, 512, 5_000, 160_000]), min_size=1, max_size=5),
)
def test_the_rules_agree_for_any_probabilities(
    runs: list[tuple[float, int]], options: VadOptions, window: float, tail: int, sizes: list[int]
) -> None:
    values = np.concatenate([np.full(count, value, np.float32) for value, count in runs])
    length = (len(values) - 1) * CHUNK + tail
    position = 0

    def scripted(samples: Samples) -> Samples:
        nonlocal position
        count = len(samples) // CHUNK
        position += count
        return values[position - count : position]

    sizes = [max(size, 64) if length > 50_000 else size for size in sizes]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference, "get_vad_model", lambda: lambda audio: values[: len(audio) // CHUNK])
        wanted = expected(np.zeros(length, np.float32), window, options)
    detector = SpeechDetector(options, round(window * SAMPLE_RATE), scripted)
    assert streamed(detector, np.zeros(length, np.float32), sizes) == wanted


@pytest.mark.parametrize("name", LONG)
@pytest.mark.parametrize("options", [VadOptions(), VadOptions(threshold=0.3, min_silence_duration_ms=800)])
def test_real_speech_in_blocks_equals_the_whole_file(name: str, options: VadOptions) -> None:
    with AudioDecoder(SAMPLES / "testset" / name) as audio:
        samples = np.concatenate(list(audio))
    wanted = expected(samples, 10.0, options)
    assert len(wanted) >= 3
    for sizes in ([160_000], [4_001, 16_000], [len(samples)]):
        detector = SpeechDetector(options, 10 * SAMPLE_RATE)
        assert streamed(detector, samples, sizes) == wanted


def test_silence_has_no_speech() -> None:
    detector = SpeechDetector(VadOptions(), 30 * SAMPLE_RATE)
    assert streamed(detector, np.zeros(5 * SAMPLE_RATE, np.float32), [SAMPLE_RATE]) == []
