"""What of a long text's past is kept: the original's prompts and speech, and what holds for any history."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from deployments.fish_speech.history import bounded_items, kept_items
from deployments.fish_speech.text.signs import clean_v15
from deployments.fish_speech.text.splitting import split
from deployments.fish_speech.v15.prompt import PromptsV15
from deployments.fish_speech.v15.tokenizer import Tokenizer
from tests.deployments.fish_speech.codec.support import golden
from tests.deployments.fish_speech.language_model.support import V15, Sampling, described, generate, network, rules

REFERENCE = "Hello there, friend."


@pytest.mark.parametrize(
    ("case", "name", "voices"), [("generate_long", "long", 1), ("generate_long_trim", "trim", 0)]
)
def test_long_texts_are_prompted_and_spoken_like_the_originals(case: str, name: str, voices: int) -> None:
    said, expected = described("v15")[case], golden(V15)
    prompts = PromptsV15(Tokenizer(V15), 8, 1_024)
    opening = prompts.opening([(REFERENCE, expected["ref_codes"].numpy())] * voices)
    pieces = split(clean_v15(said["text"]), said["chunk_length"])
    assert pieces == said["segments"]
    past: list[NDArray[np.int32]] = []
    for number, piece in enumerate(pieces):
        past.append(prompts.segment(piece))
        prompt = np.concatenate([opening, *kept_items(past, said["max_length"], opening.shape[1])], axis=1)
        np.testing.assert_array_equal(prompt, expected[f"{name}_prompt_{number}"].numpy())
        assert prompt.dtype == np.int32
        assert prompt.shape[1] == said["prompt_lengths"][number]
        sampling = Sampling(said["temperature"], said["top_p"], said["repetition_penalty"])
        frames = generate(network("v15"), rules("v15"), torch.from_numpy(prompt), said["max_new_tokens"], sampling)
        ended = bool(rules("v15").ended(frames[:, -1:].t()))
        heard = rules("v15").codes(rules("v15").returned_frames(frames, ended=ended, strict=True))
        assert torch.equal(heard, expected[f"{name}_codes_{number}"].long())
        past.append(prompts.past(frames.numpy().astype(np.int32)))


def items(*lengths: int) -> list[NDArray[np.int32]]:
    """Items that are distinguished by their place."""
    return [np.full((3, length), number, np.int32) for number, length in enumerate(lengths)]


def kept(lengths: list[int], context: int, opening: int = 0) -> list[int]:
    """Their places."""
    return [int(item[0, 0]) for item in kept_items(items(*lengths), context, opening)]


def test_all_is_kept_while_there_is_room() -> None:
    assert kept([10] * 9, 1_024 + 100) == list(range(9))
    assert kept([10], 1_100) == [0]
    assert kept([10, 10, 10], 1_100) == [0, 1, 2]
    assert kept_items([], 2_000, 0) == []


def test_the_first_two_and_whole_segments_of_the_last_are_kept() -> None:
    lengths = [20, 30, 20, 30, 20, 30, 20]
    assert kept(lengths, 1_024 + 120) == [0, 1, 4, 5, 6]
    assert kept(lengths, 1_024 + 90, 19) == [0, 1, 6]
    assert kept(lengths, 1_024 + 139, 19) == [0, 1, 4, 5, 6]


def test_what_does_not_fit_at_all_is_not_repeated() -> None:
    assert kept([30, 30, 30, 30, 30], 1_024 + 29) == [0, 1, 4]
    assert kept([30, 30, 5_000], 2_048, 100) == [0, 1, 2]
    assert kept([30, 30, 30, 30, 5_000], 2_048, 100) == [0, 1, 4]


def test_a_small_context_reserves_half() -> None:
    assert kept([100, 50, 100, 50, 100], 1_024) == [0, 1, 2, 3, 4]
    assert kept([100, 150, 100, 150, 100], 1_024, 100) == [0, 1, 4]
    assert kept([100, 150, 100, 150, 100], 512) == [0, 1, 4]


def by_the_book(lengths: list[int], budget: int) -> list[int]:
    """The rule as it is written, the guard added."""
    index = count = 0
    for index, length in enumerate(reversed(lengths)):  # noqa: B007
        count += length
        if count + length > budget:
            break
    if index != 0 and index % 2 == 0:
        index -= 1
    places = list(range(len(lengths)))
    if index < len(lengths) - 2:
        return places[:2] + places[len(places) - max(index, 1) :]
    return places


@given(st.lists(st.integers(1, 400), min_size=1, max_size=25), st.integers(1_025, 6_000), st.integers(0, 900))
def test_any_history_keeps_its_order_its_beginning_and_its_end(
    lengths: list[int], context: int, opening: int
) -> None:
    remaining = kept(lengths, context, opening)
    assert remaining == sorted(set(remaining))
    assert remaining[-1] == len(lengths) - 1
    assert remaining[:2] == list(range(len(lengths)))[:2]
    if len(lengths) % 2:  # as histories are: the last item is a prompt
        assert remaining == by_the_book(lengths, context - 1_024 - opening)
        assert sum(second - first > 1 for first, second in pairwise(remaining)) <= 1, "one gap at most"


def bounded(lengths: list[int], history: int, context: int = 4_096, *, voice_is_set: bool = True) -> list[int]:
    """Their places."""
    remaining = bounded_items(items(*lengths), context, 0, history, voice_is_set=voice_is_set)
    return [int(item[0, 0]) for item in remaining]


def test_as_many_of_the_last_segments_as_the_model_was_trained_with() -> None:
    lengths = [20, 30, 20, 30, 20, 30, 20]
    assert bounded(lengths, 0) == bounded(lengths, 49) == [6]
    assert bounded(lengths, 50) == bounded(lengths, 99) == [4, 5, 6]
    assert bounded(lengths, 100) == [2, 3, 4, 5, 6]
    assert bounded(lengths, 1_000) == list(range(7))
    assert bounded([20], 0) == [0]


def test_without_a_reference_the_first_segment_is_kept_before_others() -> None:
    lengths = [20, 30, 20, 30, 20, 30, 20]
    assert bounded(lengths, 0, voice_is_set=False) == bounded(lengths, 99, voice_is_set=False) == [0, 1, 6]
    assert bounded(lengths, 100, voice_is_set=False) == [0, 1, 4, 5, 6]
    assert bounded([20], 0, voice_is_set=False) == [0]
    assert bounded([20, 30, 20], 50, voice_is_set=False) == [0, 1, 2]


@given(
    st.lists(st.tuples(st.integers(1, 100), st.integers(1, 400)), max_size=12),
    st.integers(0, 2_000),
    st.integers(64, 6_000),
    st.booleans(),
)
def test_a_bounded_history_is_whole_segments_of_the_end(
    segments: list[tuple[int, int]], history: int, context: int, voice_is_set: bool
) -> None:
    lengths = [length for segment in segments for length in segment] + [30]
    remaining = bounded(lengths, history, context, voice_is_set=voice_is_set)
    assert remaining == sorted(set(remaining))
    assert remaining[-1] == len(lengths) - 1
    assert [place + 1 for place in remaining[:-1:2]] == remaining[1:-1:2], "prompts with their frames"
    first = {0, 1} if segments and not voice_is_set else set()
    assert first <= set(remaining)
    seen = [place for place in remaining[:-1] if place not in first]
    assert seen == list(range(len(lengths) - 1 - len(seen), len(lengths) - 1)), "the last ones"
    assert sum(lengths[place] for place in seen) <= history
