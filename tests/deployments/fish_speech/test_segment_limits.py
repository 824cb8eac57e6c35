"""What a segment may take: whose limits hold, and how long a text can take to be spoken."""

from pathlib import Path

import pytest

from deployments.errors import ModelUnavailable
from deployments.fish_speech.segment_limits import DEFAULTS, FILE, SegmentLimits, letters, limits_of
from tests.deployments.fish_speech.support import MODEL


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("open the door.", 14),
        ("7", 7),  # a word
        ("31,4", 22),
        ("NASA", 20),  # four names of letters
        ("Door", 8),
        ("5 %", 16),
        ("5 €", 16),
        ("你好", 8),
        ("ありがとう", 20),
        ("grüße", 5),
        ("a\u0301\u200b", 3),
    ],
)
def test_numbers_signs_and_syllables_count_for_several_letters(text: str, count: int) -> None:
    assert letters(text) == count


def test_a_text_can_take_seconds_by_its_letters() -> None:
    limits = SegmentLimits(pause_s=1, letter_s=0.5)
    assert limits.longest_s("door") == 3
    assert limits.longest_s("") == 1
    assert DEFAULTS.longest_s("a" * 200) > 40, "not far from the default bound of frames"


def test_what_is_configured_holds_before_what_the_model_says_and_that_before_the_defaults(tmp_path: Path) -> None:
    assert limits_of(tmp_path, SegmentLimits()) == DEFAULTS
    (tmp_path / FILE).write_text('{"segments": {"history": 50, "letter_s": 0.1}}')
    assert limits_of(tmp_path, SegmentLimits()) == SegmentLimits(history=50, pause_s=3, letter_s=0.1)
    assert limits_of(tmp_path, SegmentLimits(history=0)) == SegmentLimits(history=0, pause_s=3, letter_s=0.1)
    (tmp_path / FILE).write_text("{}")
    assert limits_of(tmp_path, SegmentLimits(pause_s=0)).pause_s == 0


def test_the_sample_model_has_learnt_from_one_earlier_segment() -> None:
    limits = limits_of(MODEL, SegmentLimits())
    assert limits.history is not None
    assert limits.history < 100
    assert limits.longest_s("The red table and coffee.") < 4


@pytest.mark.parametrize(
    "written", ["", "[1", "[]", '{"segments": {"history": -1}}', '{"segment": {}}', "[" * 9_999, b"\xff\xfe\x00"]
)
def test_a_file_that_is_none_is_the_models_fault(tmp_path: Path, written: str | bytes) -> None:
    (tmp_path / FILE).write_bytes(written if isinstance(written, bytes) else written.encode())
    with pytest.raises(ModelUnavailable, match=r"speech\.json cannot be read: .") as caught:
        limits_of(tmp_path, SegmentLimits())
    assert len(str(caught.value)) < 300
