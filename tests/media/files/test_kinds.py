"""Containers and codecs: every pair that libav can make, and recordings of those that it cannot."""

import io

import av
import numpy as np
import pytest

from media.decode import probe
from media.files.kinds import CODECS, CONTAINERS, names
from tests.media.files.made import DATA, ENCODED, RECORDED, SECONDS, encoded
from tests.media.sound import correlation, decoded, delay_of, sweep, tone

SPEECH_CODECS = ("amrnb", "g723_1", "g726", "g726le", "nellymoser")
# Nothing makes them here, but for Vorbis: tests/media/test_decode.py.
NOT_MADE_CONTAINERS = {"ape", "dtshd"}
NOT_MADE_CODECS = {
    *(
        "adpcm_sbpro_2",
        "adpcm_sbpro_3",
        "adpcm_sbpro_4",
        "amrwb",
        "ape",
        "g729",
        "gsm_ms",
        "ilbc",
        "mp1",
        "mp1float",
    ),
    *("mp2float", "mp3", "speex", "wmalossless", "vorbis", "wmapro", "wmavoice"),
}


@pytest.mark.parametrize("name", ENCODED)
def test_what_libav_makes_is_read(name: str) -> None:
    kind = ENCODED[name]
    info = probe(io.BytesIO(encoded(name)))
    assert (info.container, info.codec, info.sample_rate) == (kind.demuxer, kind.decoder, kind.rate)
    samples, original = decoded(encoded(name)), sweep(SECONDS, 16_000)
    assert SECONDS - 0.04 <= samples.size / 16_000 < SECONDS + 0.15
    assert -0.05 <= delay_of(samples, original) / 16_000 < 0.15
    assert correlation(samples, original) > (0.8 if kind.decoder in SPEECH_CODECS else 0.95)


@pytest.mark.parametrize("name", RECORDED)
def test_recordings_are_read(name: str) -> None:
    data = (DATA / name).read_bytes()
    info = probe(io.BytesIO(data))
    assert (info.container, info.codec) == RECORDED[name]
    original = tone(0.2, 16_000) if "tone" in name else decoded((DATA / "green.flac").read_bytes())
    assert correlation(decoded(data), original) > 0.98


def test_every_kind_of_the_list_is_tried() -> None:
    demuxers = {kind.demuxer for kind in ENCODED.values()} | {demuxer for demuxer, _ in RECORDED.values()}
    assert {demuxer.split(",")[0] for demuxer in demuxers} == CONTAINERS.keys() - NOT_MADE_CONTAINERS
    decoders = {kind.decoder for kind in ENCODED.values()} | {decoder for _, decoder in RECORDED.values()}
    assert decoders == CODECS.keys() - NOT_MADE_CODECS


def test_libav_has_them_all() -> None:
    assert {
        name for name in CONTAINERS if not any(name in each.split(",") for each in av.formats_available)
    } == set()
    for name in CODECS:
        assert av.Codec(name, "r").type == "audio"


@pytest.mark.parametrize("refused", ["hls", "concat", "dash", "sdp", "rtsp", "image2", "lavfi", "s16le", "g722"])
def test_no_playlists_no_protocols_and_nothing_that_takes_any_bytes(refused: str) -> None:
    assert refused not in CONTAINERS


def test_names_are_listed_once_in_alphabetical_order() -> None:
    assert names({"b2": "beta", "a": "Alpha", "b1": "beta"}) == "Alpha, beta"


def test_decoders_of_fixed_point_are_not_a_matter_of_luck() -> None:
    """libav takes the first decoder that it knows for a codec; the list has all of MPEG's, whichever that is."""
    for layer in (1, 2, 3):
        assert {f"mp{layer}", f"mp{layer}float"} <= CODECS.keys()
    assert np.abs(decoded(encoded("mp2"))).max() <= 1
