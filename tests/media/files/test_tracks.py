"""Which audio track is heard, and what is said of it."""

import io
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from media.decode import AudioDecoder, probe
from media.errors import NoSuchTrack, UndecodableAudio
from media.files.language_tags import primary_language
from media.files.tracks import TrackChoice, choose_track
from tests.media.sound import int16, tone

FILM = Path(__file__).parents[2] / "deployments" / "whisper" / "data" / "two_tracks.mkv"
Track = tuple[str, str, bool]  # codec, language, whether it has the default flag


def film(tracks: Sequence[Track], muxer: str = "matroska") -> io.BytesIO:
    """A file whose tracks are tones of 300, 600, 900 Hz, and so on."""
    target = io.BytesIO()
    with av.open(target, "w", format=muxer) as out:
        streams = [out.add_stream(codec, rate=16_000, layout="mono") for codec, _, _ in tracks]
        for number, (stream, (_, language, default)) in enumerate(zip(streams, tracks, strict=True)):
            stream.disposition = Disposition.default if default else Disposition(0)
            stream.metadata.update({"language": language, "title": f"track {number}"})
        for number, stream in enumerate(streams):
            frame = av.AudioFrame.from_ndarray(int16(tone(1, 16_000, 300 * (number + 1)))[None], "s16", "mono")
            frame.sample_rate, frame.pts = 16_000, 0
            resampler = av.AudioResampler(stream.format, "mono", 16_000)
            for part in [*resampler.resample(frame), *resampler.resample(None)]:
                if part is not None:
                    out.mux(stream.encode(part))
            out.mux(stream.encode(None))
    return target


def heard(file: io.BytesIO, track: TrackChoice) -> int:
    """The number of the track that is heard, by its tone."""
    with AudioDecoder(file, track=track) as decoder:
        spectrum = np.abs(np.fft.rfft(np.concatenate(list(decoder))[:16_000]))
    assert decoder.info.title in (None, f"track {decoder.info.track}")
    number = int(spectrum.argmax()) // 300 - 1
    assert decoder.info.track == number
    return number


FLAC = "flac"
THREE = [(FLAC, "ger", False), (FLAC, "eng", True), (FLAC, "eng", False)]


@pytest.mark.parametrize(
    ("tracks", "track", "expected"),
    [
        (THREE, None, 1),
        ([(FLAC, "ger", False), (FLAC, "eng", False)], None, 0),
        ([(FLAC, "ger", True), (FLAC, "eng", True)], None, 0),
        (THREE, 0, 0),
        (THREE, 2, 2),
        (THREE, "en", 1),
        (THREE, "ENG", 1),
        (THREE, "de", 0),
        (THREE, "deu", 0),
        (THREE, "de-AT", 0),
        ([(FLAC, "eng", False), (FLAC, "eng", False)], "en", 0),
        ([(FLAC, "pt", True), (FLAC, "pt-BR", False)], "pt_br", 1),
        ([(FLAC, "pt-BR", False)], "pt", 0),
    ],
)
def test_the_track(tracks: list[Track], track: TrackChoice, expected: int) -> None:
    assert heard(film(tracks), track) == expected


def test_the_track_of_an_mp4() -> None:
    file = film([("aac", "ger", False), ("aac", "eng", True)], "mp4")
    assert heard(file, None) == 1
    assert heard(file, "ger") == 0


def test_what_is_said_of_a_track() -> None:
    info = probe(film(THREE), track=0)
    assert (info.track, info.language, info.title, info.codec) == (0, "de", "track 0", "flac")
    assert probe(film([(FLAC, "und", False)])).language is None


@pytest.mark.parametrize(
    ("track", "sentence"),
    [
        (3, r"The file has no audio track 3; it has 0 \(de\), 1 \(en\), 2 \(en\)\."),
        ("fr", r"The file has no audio track 'fr'; it has 0 \(de\)"),
        ("und", "The file has no audio track 'und'"),
    ],
)
def test_a_track_that_is_not_there(track: TrackChoice, sentence: str) -> None:
    with pytest.raises(NoSuchTrack, match=sentence):
        probe(film(THREE), track=track)


def test_tracks_that_cannot_be_decoded_are_passed_over_unless_they_are_wanted() -> None:
    """Here FLAC alone is taken to be known."""
    file = film([("pcm_s16le", "eng", True), (FLAC, "eng", False), ("pcm_s16le", "ger", True)])
    file.seek(0)
    with av.open(file) as container:
        tracks = container.streams.audio
        assert choose_track(tracks, None, {FLAC}) == choose_track(tracks, "en", {FLAC}) == tracks[1]
        for track in (0, 2, "de"):
            with pytest.raises(UndecodableAudio, match=f"codec of the audio track {track!r} is not supported"):
                choose_track(tracks, track, {FLAC})
        with pytest.raises(UndecodableAudio, match="The file's audio codec is not supported"):
            choose_track(tracks, None, {"opus"})
        with pytest.raises(UndecodableAudio, match="no audio track; send a file with sound"):
            choose_track([], None, {FLAC})


def test_the_flag_of_the_film_from_the_field() -> None:
    assert probe(FILM).track == 1
    assert probe(FILM, track=0).track == 0


@pytest.mark.parametrize(
    ("tag", "language"),
    [
        *[("ger", "de"), ("deu", "de"), ("DE", "de"), ("de-CH", "de"), ("zh_Hans", "zh"), ("chi", "zh")],
        *[("fil", "fil"), ("und", None), ("", None), (None, None), ("  ", None), ("-", None), ("fre", "fr")],
    ],
)
def test_languages(tag: str | None, language: str | None) -> None:
    assert primary_language(tag) == language
