"""Continuous batching on an engine that counts: nobody is lost, mixed up or starved, whatever comes and goes."""

from dataclasses import dataclass, field

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deployments.fish_speech.language_model.batcher import Batcher, Entry, Frames
from tests.deployments.fish_speech.language_model.counting_engine import CountingEngine, segment


@dataclass
class Listener:
    """What one segment was handed."""

    frames: list[int] = field(default_factory=list)
    chunks: list[int] = field(default_factory=list)
    end: str = ""
    errors: list[Exception] = field(default_factory=list)


def play(batcher: Batcher, listeners: dict[Entry, Listener], turns: int = 10_000) -> int:
    """Turn until nothing is left; the number of turns."""
    for turn in range(turns):
        if not batcher.busy:
            return turn
        deliver(batcher, listeners)
    raise AssertionError("the batcher never ends")


def deliver(batcher: Batcher, listeners: dict[Entry, Listener]) -> None:
    for entry, delivered in batcher.turn():
        listener = listeners[entry]
        assert not listener.end, "something came after the end"
        if isinstance(delivered, Frames):
            assert set(delivered.columns[0]) == {entry.segment.seed}, "somebody else's frame"
            listener.frames += delivered.columns[1].tolist()
            listener.chunks.append(delivered.columns.shape[1])
            listener.end = delivered.end
        else:
            listener.errors.append(delivered)


def test_one_segment_is_spoken_to_its_end() -> None:
    batcher, entry = Batcher(CountingEngine()), Entry(segment(7, frames=5))
    batcher.add(entry)
    listeners = {entry: Listener()}
    play(batcher, listeners)
    assert listeners[entry] == Listener([0, 1, 2, 3, 4], [5], "spoken")


def test_chunks_begin_small_and_double() -> None:
    batcher, entry = Batcher(CountingEngine()), Entry(segment(7, frames=50, first_chunk=3, chunk=10))
    batcher.add(entry)
    listeners = {entry: Listener()}
    play(batcher, listeners)
    assert listeners[entry].chunks == [3, 6, 10, 10, 10, 10, 1]
    assert listeners[entry].frames == list(range(50))


def test_the_bound_of_frames_cuts() -> None:
    batcher, entry = Batcher(CountingEngine()), Entry(segment(7, frames=50, most=1))
    batcher.add(entry)
    listeners = {entry: Listener()}
    play(batcher, listeners)
    assert listeners[entry] == Listener([0], [1], "cut")


def test_segments_share_steps() -> None:
    engine = CountingEngine(slots=8)
    batcher = Batcher(engine)
    listeners = {Entry(segment(seed, frames=40)): Listener() for seed in range(8)}
    for entry in listeners:
        batcher.add(entry)
    turns = play(batcher, listeners)
    assert engine.widest == 8
    assert turns < 60  # one after the other they would take 320


def test_a_long_prompt_holds_no_one_up() -> None:
    engine = CountingEngine()
    batcher = Batcher(engine)
    short, long = Entry(segment(1, frames=30, first_chunk=1, chunk=1)), Entry(segment(2, prompt=100))
    listeners = {short: Listener(), long: Listener()}
    batcher.add(short)
    deliver(batcher, listeners)
    batcher.add(long)
    for turn in range(20):
        deliver(batcher, listeners)
        assert len(listeners[short].frames) == 3 + turn  # a frame at every turn
    assert not listeners[long].frames


def test_a_segment_that_was_left_frees_its_row_at_the_next_turn() -> None:
    engine = CountingEngine(slots=1)
    batcher = Batcher(engine)
    first, second = Entry(segment(1, frames=1_000)), Entry(segment(2, frames=3))
    listeners = {first: Listener(), second: Listener()}
    for entry in listeners:
        batcher.add(entry)
    for _ in range(10):
        deliver(batcher, listeners)
    steps = engine.steps
    first.left = True
    deliver(batcher, listeners)
    assert engine.rows[0][0].seed == 2
    assert engine.steps <= steps + 1
    play(batcher, listeners)
    assert listeners[second].end == "spoken"


def test_a_bad_prompt_fails_its_segment_only() -> None:
    batcher = Batcher(CountingEngine(bad_prompts=[2]))
    listeners = {Entry(segment(seed, frames=6)): Listener() for seed in (1, 2, 3)}
    for entry in listeners:
        batcher.add(entry)
    play(batcher, listeners)
    ends = {entry.segment.seed: (listener.end, len(listener.errors)) for entry, listener in listeners.items()}
    assert ends == {1: ("spoken", 0), 2: ("", 1), 3: ("spoken", 0)}
    assert batcher.failures == 0


def test_a_bad_step_fails_the_live_ones_and_the_next_are_served() -> None:
    batcher = Batcher(CountingEngine(slots=2, bad_steps=[4]))
    listeners = {Entry(segment(seed, frames=9)): Listener() for seed in (1, 2, 3)}
    for entry in listeners:
        batcher.add(entry)
    play(batcher, listeners)
    ends = {entry.segment.seed: (listener.end, len(listener.errors)) for entry, listener in listeners.items()}
    assert ends == {1: ("", 1), 2: ("", 1), 3: ("spoken", 0)}


@dataclass(frozen=True)
class Arrival:
    turn: int
    prompt: int
    frames: int
    most: int
    first_chunk: int
    chunk: int
    leaves_after: int | None


arrivals = st.builds(
    Arrival,
    turn=st.integers(0, 40),
    prompt=st.integers(1, 30),
    frames=st.integers(1, 40),
    most=st.integers(1, 50),
    first_chunk=st.integers(0, 7),
    chunk=st.integers(7, 20),
    leaves_after=st.none() | st.integers(0, 40),
)


@given(st.lists(arrivals, max_size=20), st.integers(1, 6))
def test_nobody_is_lost_swapped_or_starved(plan: list[Arrival], slots: int) -> None:
    engine = CountingEngine(slots=slots)
    batcher = Batcher(engine)
    listeners: dict[Entry, Listener] = {}
    leaving: dict[Entry, int] = {}
    due: dict[Entry, Arrival] = {}
    finished: list[Entry] = []
    turn = 0
    while batcher.busy or turn <= max((one.turn for one in plan), default=0):
        for seed, one in enumerate(plan, 1):
            if one.turn == turn:
                entry = Entry(
                    segment(
                        seed,
                        prompt=one.prompt,
                        frames=one.frames,
                        most=one.most,
                        first_chunk=one.first_chunk,
                        chunk=one.chunk if one.first_chunk else 0,
                    )
                )
                batcher.add(entry)
                listeners[entry], due[entry] = Listener(), one
                if one.leaves_after is not None:
                    leaving[entry] = turn + one.leaves_after
        for entry, when in leaving.items():
            entry.left = entry.left or when <= turn
        deliver(batcher, listeners)
        assert batcher.live <= slots
        finished += [entry for entry in listeners if listeners[entry].end and entry not in finished]
        turn += 1
        assert turn < 3_000, "somebody waits for ever"
    for entry, listener in listeners.items():
        one = due[entry]
        if entry.left and not listener.end:
            assert listener.frames == list(range(len(listener.frames)))
            continue
        assert listener.frames == list(range(min(one.frames, one.most)))
        assert listener.end == ("spoken" if one.frames <= one.most else "cut")
    assert np.all([len(listener.errors) == 0 for listener in listeners.values()])
