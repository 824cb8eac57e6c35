"""Which decoders a choice of track and channels opens, and what counts against the limits."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from deployments.errors import AudioTooLong, NoSuchChannel, NoSuchTrack
from deployments.whisper.sound.choice import Channels, HeardTrack
from deployments.whisper.sound.heard_audio import HeardAudio, open_heard
from tests.deployments.whisper.support import SAMPLES

CALL = Path(__file__).parents[1] / "data" / "num_green.flac"


def heard(path: Path, **choice: Any) -> HeardAudio:
    return open_heard(lambda: path, **choice)


def test_what_is_heard() -> None:
    def tried(channels: Channels, path: Path = CALL) -> tuple[list[int | None], HeardTrack]:
        with heard(path, channels=channels) as audio:
            assert audio.duration_s == pytest.approx(2.34 if path == CALL else 1.5, abs=0.5)
            return list(audio.decoders), audio.track

    mono = SAMPLES / "testset" / "utt01.wav"
    assert tried("mix") == ([None], HeardTrack(0, "flac", 16_000, 2))
    assert tried("split") == ([0, 1], HeardTrack(0, "flac", 16_000, 2, (0, 1), True))
    assert tried((1,)) == ([None], HeardTrack(0, "flac", 16_000, 2, (1,)))
    assert tried((1, 0)) == ([1, 0], HeardTrack(0, "flac", 16_000, 2, (1, 0), True))
    assert tried("split", mono) == ([0], HeardTrack(0, "pcm_s16le", 16_000, 1, (0,), True))
    assert tried((0,), mono) == ([None], HeardTrack(0, "pcm_s16le", 16_000, 1, (0,)))


@pytest.mark.parametrize(
    ("choice", "error", "sentence"),
    [
        ({"channels": (2,)}, NoSuchChannel, "The audio has 2 channels, counted from 0; there is no channel 2"),
        ({"channels": (0, 5)}, NoSuchChannel, "there is no channel 5"),
        ({"track": 1}, NoSuchTrack, "The file has no audio track 1; it has 0"),
        (
            {"channels": "split", "max_audio_s": 3},
            AudioTooLong,
            r"at most 1\.5 s .* each of the 2 channels counts",
        ),
        ({"channels": (0, 1), "max_audio_s": 3}, AudioTooLong, "each of the 2 channels counts"),
    ],
)
def test_what_cannot_be_heard(choice: dict[str, Any], error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence), heard(CALL, **choice):
        pass


def test_channels_count_together_only_where_they_are_heard_apart() -> None:
    for channels in ("mix", (0,)):
        with heard(CALL, channels=channels, max_audio_s=2):
            pass


def test_eight_channels_are_heard_apart_and_nine_are_not(tmp_path: Path) -> None:
    for count in (8, 9):
        soundfile.write(tmp_path / f"{count}.wav", np.zeros((1600, count), np.float32), 16_000)
    with heard(tmp_path / "8.wav", channels="split") as audio:
        assert list(audio.decoders) == list(range(8))
    with (
        pytest.raises(NoSuchChannel, match="9 channels, of which at most 8"),
        heard(tmp_path / "9.wav", channels="split"),
    ):
        pass
