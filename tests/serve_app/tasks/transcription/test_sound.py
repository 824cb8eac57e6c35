"""What a client may say of tracks and channels."""

from typing import Any

import pytest

from tests.serve_app.tasks.transcription.forms import asked, refusal


@pytest.mark.parametrize(
    ("sent", "channels"),
    [
        (["mix"], "mix"),
        ([" Split "], "split"),
        (["left"], (0,)),
        (["RIGHT"], (1,)),
        (["3"], (3,)),
        (["0,2"], (0, 2)),
        (["right, left"], (1, 0)),
        (["[5, 1]"], (5, 1)),
        (["1", "0"], (1, 0)),
        ([""], "mix"),
        (["[]"], "mix"),
    ],
)
@pytest.mark.parametrize("name", ["channels", "channels[]"])
def test_channels(name: str, sent: list[str], channels: Any) -> None:
    assert asked(*((name, text) for text in sent)).channels == channels


def test_nothing_is_chosen_unless_it_is_sent() -> None:
    request = asked(("channels", ""), ("audio_track", " "))
    assert (request.channels, request.audio_track) == ("mix", None)
    assert not {"channels", "audio_track"} & request.model_fields_set


@pytest.mark.parametrize(
    "sent", ["both", "split,left", "mix,0", "-1", "32", "1.5", "0,1,2,3,4,5,6,7,8", "true", "{}"]
)
def test_channels_that_are_none(sent: str) -> None:
    error = refusal(("channels", sent))
    assert error.param == "channels"
    assert "`channels` has to be" in error.message


def test_a_channel_is_named_once() -> None:
    assert refusal(("channels", "left,0")).message == "`channels` names a channel twice; name each once."


def test_channels_have_no_parts() -> None:
    assert refusal(("channels[left]", "true")).param == "channels"


@pytest.mark.parametrize(
    ("sent", "track"),
    [
        ("0", 0),
        (" 63 ", 63),
        ("de", "de"),
        ("ger", "ger"),
        ("pt-BR", "pt-BR"),
        ("zh_Hans_CN", "zh_Hans_CN"),
        ("German", "de"),
        ("default", None),
        ("", None),
    ],
)
def test_tracks(sent: str, track: Any) -> None:
    assert asked(("audio_track", sent)).audio_track == track


@pytest.mark.parametrize("sent", ["-1", "64", "1.0", "the second", "x", "de-", "de-" + 33 * "x", "٣"])
def test_tracks_that_are_none(sent: str) -> None:
    error = refusal(("audio_track", sent))
    assert error.param == "audio_track"
    assert "`audio_track` has to be" in error.message
