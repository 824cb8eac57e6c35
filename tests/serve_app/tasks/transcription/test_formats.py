"""Subtitles that any reader takes, and texts that add up."""

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.whisper.types import Segment, join_text
from serve_app.tasks.transcription.formats import TextDeltas, as_srt, as_vtt, usage_object

TEXTS = st.one_of(
    st.text(max_size=30),
    st.lists(
        st.sampled_from(
            ["a", " b", "\n", "\n\n", "-->", "--->", "<i>", "&amp;", "\r\n", "1", "\x00", "\u2028", " "]
        )
    ).map("".join),
)
SPANS = st.floats(0, 400_000)


def segment(text: str, start: float = 0.0, end: float = 1.0) -> Segment:
    return Segment(0, 0, start, end, text, (), 0.0, 0.0, 0.0, 0.0, "en")


SEGMENTS = st.lists(st.builds(segment, TEXTS, SPANS, SPANS), max_size=6)


def seconds(time: str) -> float:
    hours, minutes, rest = re.fullmatch(r"(\d{2,}):([0-5]\d):([0-5]\d[.,]\d{3})", time).groups()
    return int(hours) * 3600 + int(minutes) * 60 + float(rest.replace(",", "."))


def parse_cues(blocks: list[list[str]], numbered: bool) -> list[tuple[float, float, str]]:
    cues = []
    for number, lines in enumerate(blocks, 1):
        if numbered:
            assert lines.pop(0) == str(number)
        timing, text = lines
        start, end = map(seconds, timing.split(" --> "))
        assert end > start
        assert "-->" not in text
        cues.append((start, end, text))
    return cues


def blocks(document: str) -> list[list[str]]:
    return [block.splitlines() for block in document.split("\n\n") if block.strip("\n")]


def spoken(text: str) -> str:
    return " ".join(re.sub(r"[\x00-\x08\x0e-\x1f\x7f]", "", text).split())


def in_order(segments: list[Segment]) -> list[Segment]:
    """Those with text, by their starts: WebVTT asks for that."""
    return sorted((s for s in segments if spoken(s.text)), key=lambda s: round(s.start, 3))


@given(SEGMENTS)
def test_srt_parses_back(segments: list[Segment]) -> None:
    cues = parse_cues(blocks(as_srt(segments)), numbered=True)
    kept = in_order(segments)
    assert [text for _, _, text in cues] == [re.sub("--+>", "->", spoken(s.text)) for s in kept]
    assert [start for start, _, _ in cues] == [pytest.approx(s.start, abs=0.001) for s in kept]


@given(SEGMENTS)
def test_vtt_parses_back(segments: list[Segment]) -> None:
    header, *rest = blocks(as_vtt(segments))
    assert header == ["WEBVTT"]
    cues = parse_cues(rest, numbered=False)
    kept = in_order(segments)
    assert all("<" not in text for _, _, text in cues)
    assert [html.unescape(text) for _, _, text in cues] == [spoken(s.text) for s in kept]
    assert [start for start, _, _ in cues] == [pytest.approx(s.start, abs=0.001) for s in kept]


def test_cues_of_clips_that_overlap_are_in_order_of_time() -> None:
    heard = [segment("a", 0.2, 1.7), segment("b", 2.1, 3.0), segment("a", 1.0, 1.7), segment("b", 2.1, 4.0)]
    cues = parse_cues(blocks(as_vtt(heard))[1:], numbered=False)
    assert cues == [(0.2, 1.7, "a"), (1.0, 1.7, "a"), (2.1, 3.0, "b"), (2.1, 4.0, "b")]


def test_times_round_to_milliseconds_and_run_past_a_day() -> None:
    assert as_srt([segment("x", 59.9996, 90_000.5)]) == "1\n00:01:00,000 --> 25:00:00,500\nx\n"


@pytest.mark.parametrize(("start", "end"), [(1.0, 1.0), (1.0, 0.5), (1.0, 1.0001)])
def test_cues_have_a_length(start: float, end: float) -> None:
    assert "00:00:01,000 --> 00:00:01,001" in as_srt([segment("x", start, end)])


def test_nonsense_times_do_not_break_a_file() -> None:
    assert as_srt([segment("x", float("nan"), float("inf"))]).startswith("1\n00:00:00,000 --> ")
    assert as_srt([segment("x", -1.0, 0.5)]) == "1\n00:00:00,000 --> 00:00:00,500\nx\n"


@given(st.lists(TEXTS))
def test_deltas_add_up_to_the_text(texts: list[str]) -> None:
    deltas = TextDeltas()
    said = [deltas.add(text) for text in texts]
    assert "".join(said) == deltas.text == join_text(texts)


@pytest.mark.parametrize(("duration", "seconds"), [(0.0, 0), (0.2, 1), (5.0, 5), (5.0001, 5), (5.01, 6)])
def test_usage_counts_begun_seconds(duration: float, seconds: int) -> None:
    assert usage_object(duration) == {"type": "duration", "seconds": seconds}
