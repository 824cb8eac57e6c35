"""Whole utterances on the sample voice: the same alone and in company, streamed and not, again and again."""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from deployments.errors import InvalidRequest
from deployments.fish_speech import synthesizer as module
from deployments.fish_speech.engine import FishSpeechEngine
from deployments.fish_speech.language_model.batcher import SpeechSegment
from deployments.fish_speech.segments import next_segment
from deployments.fish_speech.synthesizer import Utterance
from tests.deployments.fish_speech.support import engine, joined, sounds, synthesizing, until_true, utterance

TEXTS = (
    "three two one", "good morning world", "please open the window", "seven", "green door and yellow table",
    "stop the music", "hello hello hello", "start. stop. start again now please", "water and coffee today",
    "nine eight seven six five four", "close the garden door", "left right left", "red blue green",
    "no thank you", "winter is cold", "good evening",
)  # fmt: skip


@pytest.fixture(scope="module")
def voice() -> Iterator[FishSpeechEngine]:
    loaded = engine()
    loaded.warm_up()
    yield loaded
    loaded.close()


def different(loaded: FishSpeechEngine) -> list[Utterance]:
    """Sixteen utterances of different texts, voices, seeds and sampling."""
    return [
        utterance(
            loaded,
            text,
            seed=17 * number,
            voice=number % 3 == 0,
            temperature=(0.0, 0.5, 0.7, 1.0)[number % 4],
            top_p=(0.5, 0.7, 0.9, 1.0)[number % 4],
            repetition_penalty=(1.0, 1.2, 1.5, 2.0)[number // 4],
            chunk_length=(0, 20, 200)[number % 3],
        )
        for number, text in enumerate(TEXTS)
    ]


@contextlib.contextmanager
def counting_columns(loaded: FishSpeechEngine) -> Iterator[list[int]]:
    """How many columns of prompts are computed, piece by piece."""
    network, counts = loaded.frames._network, list[int]()
    prefill = network.prefill

    def counted(piece: Any, *args: Any) -> Any:
        counts.append(piece.shape[1])
        return prefill(piece, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "prefill", counted)
        yield counts


async def test_sixteen_at_once_say_exactly_what_each_says_alone(voice: FishSpeechEngine) -> None:
    asked = different(voice)
    async with synthesizing(voice) as synthesizer:
        alone = [await sounds(synthesizer, one) for one in asked]
        together = await asyncio.gather(*(sounds(synthesizer, one) for one in asked))
    for one, other in zip(alone, together, strict=True):
        assert [sound.frames for sound in one] == [sound.frames for sound in other]
        np.testing.assert_array_equal(joined(one), joined(other))
    assert len({joined(one).tobytes() for one in alone}) == len(asked)


async def test_another_seed_is_another_speech_and_the_same_one_the_same(voice: FishSpeechEngine) -> None:
    async with synthesizing(voice) as synthesizer:
        one, same, other = [
            joined(await sounds(synthesizer, utterance(voice, "good morning world", seed))) for seed in (5, 5, 6)
        ]
    np.testing.assert_array_equal(one, same)
    assert one.shape != other.shape or not np.array_equal(one, other)


async def test_sound_comes_in_growing_chunks_and_is_that_of_the_whole_segment(voice: FishSpeechEngine) -> None:
    said = utterance(voice, "nine eight seven six five four three two one zero", temperature=0)
    async with synthesizing(voice, first_chunk_frames=3, chunk_frames=20) as synthesizer:
        streamed = await sounds(synthesizer, said)
    async with synthesizing(voice, first_chunk_frames=512, chunk_frames=512) as synthesizer:
        whole = await sounds(synthesizer, said)
    assert [sound.frames for sound in streamed][:3] == [3, 6, 12]
    assert len(whole) == 1
    np.testing.assert_allclose(joined(streamed), joined(whole), atol=1e-6)
    assert len(joined(whole)) == whole[0].frames * voice.codec.frame_samples


async def test_the_first_sound_leaves_long_before_the_last_frame(voice: FishSpeechEngine) -> None:
    said = utterance(voice, " ".join(["one two three four five"] * 4), chunk_length=0)
    async with synthesizing(voice) as synthesizer, contextlib.aclosing(synthesizer.speak(said)) as heard:
        first = await anext(heard)
        steps_then = voice.frames.steps
        rest = [sound async for sound in heard]
        steps = voice.frames.steps - steps_then
    assert first.frames == 6
    assert len(first.samples) == 6 * voice.codec.frame_samples
    assert steps > sum(sound.frames for sound in rest) / 2


async def test_a_kept_opening_changes_nothing(voice: FishSpeechEngine) -> None:
    fresh = engine()
    async with synthesizing(fresh) as synthesizer:
        said = utterance(fresh, "good evening", voice=True)
        opening = fresh.prompts.opening([(one.text, one.codes) for one in said.references]).shape[1]
        with counting_columns(fresh) as columns:
            computed = joined(await sounds(synthesizer, said))
            at_first = sum(columns)
            kept = joined(await sounds(synthesizer, said))
        assert sum(columns) == 2 * at_first - opening
    bare = engine(engine={"prefix_cache": 0})
    async with synthesizing(bare) as synthesizer:
        with counting_columns(bare) as columns:
            said = utterance(bare, "good evening", voice=True)
            never, never_again = [joined(await sounds(synthesizer, said)) for _ in range(2)]
        assert sum(columns) == 2 * at_first
    np.testing.assert_array_equal(computed, kept)
    np.testing.assert_array_equal(computed, never)
    np.testing.assert_array_equal(computed, never_again)


async def test_segments_of_a_long_text_follow_each_other(voice: FishSpeechEngine) -> None:
    said = utterance(voice, "good morning world. please open the window. thank you.", chunk_length=24)
    assert len(said.pieces) == 3
    async with synthesizing(voice) as synthesizer:
        heard = await sounds(synthesizer, said)
    assert [sound.segment for sound in heard if sound.end] == [0, 1, 2]


async def test_frames_are_bounded_and_the_cut_is_told(voice: FishSpeechEngine) -> None:
    async with synthesizing(voice) as synthesizer:
        heard = await sounds(synthesizer, utterance(voice, "one two three four five", max_new_tokens=9))
    assert sum(sound.frames for sound in heard) == 9
    assert heard[-1].end == "cut"


async def test_leaving_frees_the_slot(voice: FishSpeechEngine) -> None:
    async with synthesizing(voice) as synthesizer:
        speaking = synthesizer.speak(utterance(voice, "one two three four five " * 6, chunk_length=0))
        await anext(speaking)
        assert synthesizer.live == 1
        await speaking.aclose()
        await asyncio.wait_for(until_true(lambda: synthesizer.live == 0), 10)
        steps = voice.frames.steps
        assert len(await sounds(synthesizer, utterance(voice, "seven", max_new_tokens=3))) >= 1
        assert voice.frames.steps - steps <= 4


async def test_what_does_not_fit_into_the_context_is_refused_and_others_are_spoken(
    voice: FishSpeechEngine,
) -> None:
    async with synthesizing(voice) as synthesizer:
        with pytest.raises(InvalidRequest, match="has room for 1024"):
            await sounds(synthesizer, utterance(voice, "xylophone " * 400, chunk_length=0))
        assert len(await sounds(synthesizer, utterance(voice, "seven"))) >= 1


@contextlib.contextmanager
def going_astray_after(loaded: FishSpeechEngine, frames: int) -> Iterator[list[SpeechSegment]]:
    """No segment can take more frames. What the model is asked for is listed."""
    asked: list[SpeechSegment] = []

    def listed(*args: Any, **options: Any) -> SpeechSegment:
        asked.append(next_segment(*args, **options))
        return asked[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loaded, "most_frames", lambda piece: frames)
        patch.setattr(module, "next_segment", listed)
        yield asked


async def test_a_segment_that_goes_astray_is_tried_once_more_with_other_draws(voice: FishSpeechEngine) -> None:
    """The bound is just below what the first take needs; of so many seeds one has a shorter second take."""
    async with synthesizing(voice) as synthesizer:
        for seed in range(20):
            said = utterance(voice, "good morning world", seed, temperature=1.0, top_p=0.95)
            said = replace(said, whole=True)
            first = await sounds(synthesizer, said)
            drawn = sum(sound.frames for sound in first)  # and one more, which ended it
            with going_astray_after(voice, drawn) as asked:
                second = await sounds(synthesizer, said)
                again = await sounds(synthesizer, said)
            if second[-1].end == "spoken":
                break
    assert (second[-1].end, len(asked)) == ("spoken", 4)
    assert sum(sound.frames for sound in second) < drawn
    assert [one.first_frame for one in asked] == [0, 1 << 15, 0, 1 << 15]
    np.testing.assert_array_equal(joined(second), joined(again))


async def test_what_goes_astray_twice_is_cut(voice: FishSpeechEngine) -> None:
    said = utterance(voice, "one two three four five")
    async with synthesizing(voice, first_chunk_frames=4, chunk_frames=4) as synthesizer:
        with going_astray_after(voice, 9) as asked:
            held = await sounds(synthesizer, replace(said, whole=True))
            assert ([sound.frames for sound in held], held[-1].end, len(asked)) == ([4, 4, 1], "cut", 2)
            streamed = await sounds(synthesizer, said)
            assert ([sound.frames for sound in streamed], len(asked)) == ([4, 4, 1], 3), "its beginning was heard"
            assert streamed[-1].end == "cut"
        with going_astray_after(voice, 4) as asked:
            await sounds(synthesizer, said)
        assert len(asked) == 2, "nothing of it was heard"
        with going_astray_after(voice, 9) as asked:
            own = await sounds(
                synthesizer, replace(utterance(voice, "one two three", max_new_tokens=5), whole=True)
            )
        assert (own[-1].end, len(asked)) == ("cut", 1), "so short it was asked to be"
        with going_astray_after(voice, 9) as asked:
            await sounds(synthesizer, replace(utterance(voice, "one two three", temperature=0), whole=True))
        assert len(asked) == 1, "it would say the same again"


async def test_what_went_astray_is_not_the_past_of_what_follows(voice: FishSpeechEngine) -> None:
    said = utterance(voice, "good morning world. please open the window. thank you.", chunk_length=24)
    longest = dict(zip(said.pieces, (99, 9, 99), strict=True))
    async with synthesizing(voice) as synthesizer:
        with going_astray_after(voice, 99) as asked, pytest.MonkeyPatch.context() as patch:
            patch.setattr(voice, "most_frames", longest.__getitem__)
            heard = await sounds(synthesizer, said)
    assert [sound.end for sound in heard if sound.end] == ["spoken", "cut", "spoken"]
    assert [one.first_frame for one in asked] == [0, 1 << 16, 3 << 15, 2 << 16]
    frames = sum(sound.frames for sound in heard if sound.segment == 0) + 1  # the one that ends
    prompts = [voice.prompts.segment(piece).shape[1] for piece in said.pieces]
    assert asked[-1].rest.shape[1] == prompts[0] + frames + prompts[2]


async def test_the_past_is_as_long_as_in_training(voice: FishSpeechEngine) -> None:
    text = "good morning world. please open the window. thank you. close the big door. play music today."
    said = utterance(voice, text, voice=True, chunk_length=30)
    async with synthesizing(voice) as synthesizer:
        with going_astray_after(voice, 99) as asked:
            await sounds(synthesizer, said)
    prompts = [voice.prompts.segment(piece).shape[1] for piece in said.pieces]
    seen = [one.rest.shape[1] - prompt for one, prompt in zip(asked, prompts, strict=True)]
    assert voice.limits.history is not None
    assert seen[0] == 0
    assert 20 < max(seen) <= voice.limits.history
