"""Recordings become codes once each, within limits, and never with somebody else's transcript."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from deployments.errors import AudioTooLong, ClientError, InvalidRequest, UndecodableAudio
from deployments.fish_speech.voices.reference_codes import ReferenceCodes
from tests.deployments.fish_speech.voices.support import recording
from tests.media.sound import container, correlation, sweep, tone, wav

RATE = 24_000


class Codec:
    """Codes that tell which samples they were made of; counts what it encodes, and can be held up."""

    def __init__(self) -> None:
        self.heard: list[NDArray[np.float32]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.begun = threading.Semaphore(0)
        self.failures = 0

    def __call__(self, samples: NDArray[np.float32]) -> NDArray[np.int32]:
        self.heard.append(samples)
        self.begun.release()
        assert self.gate.wait(10)
        if self.failures:
            self.failures -= 1
            raise RuntimeError("codec on fire")
        return np.rint(samples[:: RATE // 13][None] * 1000 + np.arange(4)[:, None]).astype(np.int32)


def references(codec: Codec, most: int = 8, max_s: float = 90) -> ReferenceCodes:
    return ReferenceCodes(codec, RATE, most, max_s)


def silence(seconds: float) -> bytes:
    """A WAV file that is cheap to make: 8 kHz."""
    return wav(bytes(2 * round(seconds * 8_000)), 8_000)


def codes_of(heard: Sequence[tuple[str, NDArray[np.int32]]]) -> list[NDArray[np.int32]]:
    return [codes for _, codes in heard]


@pytest.mark.parametrize(
    ("muxer", "codec", "rate"),
    [
        ("wav", "pcm_s16le", 16_000),
        ("flac", "flac", 44_100),
        ("mp3", "libmp3lame", 44_100),
        ("ogg", "libopus", 48_000),
    ],
)
def test_any_container_is_heard_at_the_codecs_rate(muxer: str, codec: str, rate: int) -> None:
    ear = Codec()
    sound = container(sweep(2, rate), rate, muxer, codec, channels=2)
    ((text, codes),) = references(ear).codes([("hello", sound)])
    assert (text, codes.dtype, codes.shape[0]) == ("hello", np.int32, 4)
    (samples,) = ear.heard
    assert samples.dtype == np.float32
    assert abs(len(samples) / RATE - 2) < 0.05
    assert correlation(samples, sweep(2, RATE)) > 0.98


def test_several_references_keep_their_order_and_their_texts() -> None:
    ear = Codec()
    ours = references(ear)
    sounds = [recording(200 + 100 * number) for number in range(5)]
    pairs = [(f"text {number}", sound) for number, sound in enumerate(sounds)]
    heard = ours.codes(pairs)
    assert [text for text, _ in heard] == [text for text, _ in pairs]
    for (_, codes), sound in zip(heard, sounds, strict=True):
        np.testing.assert_array_equal(codes, ear(ours.decoded(sound)))
    assert len({codes.tobytes() for codes in codes_of(heard)}) == 5
    assert ours.codes([]) == []


def test_a_recording_is_encoded_once_and_its_text_is_the_requests() -> None:
    ear = Codec()
    ours = references(ear)
    sound = recording()
    same = np.frombuffer(sound, np.uint8)  # as an upload comes
    same.setflags(write=False)
    results = [ours.codes([(text, audio)]) for text, audio in (("one", sound), ("two", sound), ("three", same))]
    assert [text for ((text, _),) in results] == ["one", "two", "three"]
    (twice, again) = ours.codes([("four", sound), ("five", sound)])
    assert (twice[0], again[0]) == ("four", "five")
    assert len(ear.heard) == 1
    twice[1][:] = 0
    assert again[1].any(), "the caller may do with the codes what it likes"
    assert results[0][0][1].any()
    ours.codes([("one", recording(999))])
    assert len(ear.heard) == 2


def test_only_the_last_recordings_are_remembered() -> None:
    ear = Codec()
    ours = references(ear, most=2)
    sounds = [recording(200 + 100 * number) for number in range(3)]
    for number in (0, 1, 0, 2, 0, 1):  # the last 1 was forgotten for 2
        ours.codes([("x", sounds[number])])
    assert len(ear.heard) == 4
    assert len(ours._heard) == 2
    forgetful = references(ear, most=0)
    for _ in range(2):
        forgetful.codes([("x", sounds[0])])
    assert len(ear.heard) == 6
    assert not forgetful._heard


def test_requests_at_the_same_time_share_the_work() -> None:
    ear = Codec()
    ours = references(ear)
    sound, other = recording(300), recording(500)
    ear.gate.clear()
    with ThreadPoolExecutor(9) as pool:
        same = [pool.submit(ours.codes, [(str(number), sound)]) for number in range(8)]
        assert ear.begun.acquire(timeout=10)
        apart = pool.submit(ours.codes, [("other", other)])
        assert ear.begun.acquire(timeout=10), "another recording does not wait"
        ear.gate.set()
        results = [future.result(10) for future in same]
        assert apart.result(10)[0][0] == "other"
    assert len(ear.heard) == 2
    assert [text for ((text, _),) in results] == [str(number) for number in range(8)]
    assert len({codes_of(result)[0].tobytes() for result in results}) == 1
    assert not ours._turns


def test_a_failure_is_of_its_own_request_only() -> None:
    ear = Codec()
    ours = references(ear)
    ear.failures = 1
    ear.gate.clear()
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(ours.codes, [("x", recording())]) for _ in range(4)]
        assert ear.begun.acquire(timeout=10)
        ear.gate.set()
        errors = [future.exception(10) for future in futures]
    assert sorted(str(error) for error in errors) == ["None", "None", "None", "codec on fire"]
    assert len(ear.heard) == 2
    assert not ours._turns


@pytest.mark.parametrize("lengths", [[95], [60, 35], [30, 30, 30, 5], [1] * 92])
def test_95_seconds_of_references_are_refused(lengths: list[float]) -> None:
    ear = Codec()
    ours = references(ear)
    sounds = [("x", silence(seconds)) for seconds in lengths]
    said = r"The reference recordings last more than 90 s together; send less, best 10 to 30 s\."
    with pytest.raises(AudioTooLong, match=said) as caught:
        ours.codes(sounds)
    assert (caught.value.status, caught.value.param) == (413, "references")
    assert not ear.heard, "nothing is encoded for a request that is refused"


def test_what_is_remembered_counts_too() -> None:
    ear = Codec()
    ours = references(ear)
    long, longer = silence(50), silence(45)
    assert len(ours.codes([("x", long)])) == len(ours.codes([("x", longer)])) == 1
    with pytest.raises(AudioTooLong):
        ours.codes([("x", long), ("x", longer)])
    with pytest.raises(AudioTooLong):
        ours.codes([("x", long), ("x", long)])
    assert len(ours.codes([("x", silence(40)), ("x", long)])) == 2
    assert len(ear.heard) == 3
    assert len(ours.codes([("x", silence(90))])) == 1


def test_a_file_that_lies_about_its_length_is_refused_all_the_same() -> None:
    ear = Codec()
    pcm = bytes(2 * 8_000 * 20)
    lie = wav(pcm, 8_000, size=8_000)
    truth = wav(pcm, 8_000)
    (short,) = references(ear, max_s=10).codes([("x", lie)])
    assert len(ear.heard[0]) < RATE
    with pytest.raises(AudioTooLong):
        references(ear, max_s=10).codes([("x", truth)])
    with pytest.raises(AudioTooLong):
        references(ear, max_s=10).codes([("x", container(tone(20, 8_000), 8_000, "adts", "aac"))])
    assert short[0] == "x"


BROKEN: list[tuple[bytes, type[ClientError], str]] = [
    (b"", UndecodableAudio, "The file is empty"),
    (b"no audio at all", UndecodableAudio, "The file is not audio"),
    (recording()[:30], UndecodableAudio, "The file"),
    (wav(b""), UndecodableAudio, "The file holds no audio"),
    (
        recording(seconds=0.05),
        InvalidRequest,
        r"The recording lasts 0\.050 s; send at least 0\.1 s, best 10 to 30 s",
    ),
]


@pytest.mark.parametrize(("audio", "kind", "said"), BROKEN)
def test_a_broken_recording_is_named(audio: bytes, kind: type[ClientError], said: str) -> None:
    ear = Codec()
    ours = references(ear)
    with pytest.raises(kind, match=f"^{said}") as caught:
        ours.codes([("x", audio)])
    assert (caught.value.status, caught.value.param) == (400, "references")
    with pytest.raises(kind, match=f"^Recording 2 of 3: {said}") as caught:
        ours.codes([("x", recording()), ("y", audio), ("z", recording(500))], param="voice")
    assert caught.value.param == "voice"
    with pytest.raises(kind, match=f"^{said}"):
        ours.decoded(audio)
    assert not ear.heard
