"""Whole frames beside the original's: greedy and with its noise, with its window, in a batch and alone."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from deployments.fish_speech.language_model.dual_ar import DualAR
from deployments.fish_speech.language_model.frame_rules import FrameRules
from deployments.fish_speech.language_model.frames import WINDOW, FrameSampler, FrameState
from deployments.fish_speech.language_model.noise import FrameNoise
from tests.deployments.fish_speech.codec.support import golden
from tests.deployments.fish_speech.language_model.support import (
    V11,
    V15,
    Sampling,
    generate,
    network,
    rules,
    start,
    up_to,
)

FRAMES = 18  # more than a window has
GREEDY = {"greedy_rp12": ("v15", 1.2), "greedy_rp10": ("v15", 1.0), "greedy_rp15": ("v11", 1.5)}


@pytest.mark.parametrize("name", GREEDY)
def test_greedy_frames_are_the_originals(name: str) -> None:
    version, penalty = GREEDY[name]
    expected = golden(V15 if version == "v15" else V11)
    generated = generate(network(version), rules(version), expected["prompt"], 24, Sampling(penalty=penalty))
    assert torch.equal(generated, expected[name].long())


def test_frames_with_the_originals_noise_are_the_originals() -> None:
    expected = golden(V15)
    noise = torch.cat((expected["sampled_noise_slow"], expected["sampled_noise_fast"].flatten(1)), 1)
    sampling = Sampling(0.7, 0.7, 1.2, noise=noise)
    generated = generate(network("v15"), rules("v15"), expected["prompt"], 8, sampling)
    assert torch.equal(generated, expected["sampled_seed1234_t07_p07_rp12"].long())
    sampling.noise = noise.roll(1, 1)
    assert not torch.equal(generate(network("v15"), rules("v15"), expected["prompt"], 8, sampling), generated)


def test_seeds_say_what_is_drawn() -> None:
    prompt = golden(V15)["prompt"]
    first, again, other = (
        generate(network("v15"), rules("v15"), prompt, 6, Sampling(0.9, 0.9, 1.1, seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first[:, :6], other[:, :6])


def test_without_noise_draws_come_from_seed_and_frame() -> None:
    model, drawn_by = network("v15"), rules("v15")
    state = FrameState.empty(2, drawn_by)
    start(state, 0, Sampling(0.9, 0.9, seed=8), 40)
    start(state, 1, Sampling(0.9, 0.9, seed=9), 41)
    hidden = torch.randn(2, 32, generator=torch.Generator().manual_seed(0))
    sampler = FrameSampler(model, drawn_by, 2)
    noise = FrameNoise(drawn_by.widths)(torch.tensor([8, 9]), torch.tensor([40, 41]))
    with torch.inference_mode():
        assert torch.equal(sampler(hidden, state), sampler(hidden, state, noise))
        assert not torch.equal(sampler(hidden, state), sampler(hidden, state, noise.flip(0)))


@pytest.mark.parametrize("speech_only", [False, True])
@pytest.mark.parametrize("version", ["v15", "v11"])
def test_sampled_frames_in_a_batch_are_those_of_each_alone(version: str, speech_only: bool) -> None:
    model, drawn_by = network(version), rules(version, speech_only=speech_only)
    prompt = golden(V15 if version == "v15" else V11)["prompt"]
    asked = [
        (prompt[:, : 30 + 9 * row], Sampling(0.5 + 0.1 * row, 0.6 + 0.05 * row, 1 + 0.1 * row, seed=row))
        for row in range(7)
    ]
    alone = [generate(model, drawn_by, text, FRAMES, sampling, 512) for text, sampling in asked]
    assert len({tuple(frames.flatten().tolist()) for frames in alone}) == len(asked)
    for batch in ([4, 2, 0, 6, 1, 3, 5], [5, 2, 3]):
        for number, frames in zip(
            batch, together(model, drawn_by, [asked[number] for number in batch]), strict=True
        ):
            assert torch.equal(frames[:, : alone[number].shape[1]], alone[number])


@torch.inference_mode()
def together(model: DualAR, drawn_by: FrameRules, asked: list[tuple[Tensor, Sampling]]) -> list[Tensor]:
    """Frames for each, one row per prompt; rows go on when they have ended."""
    rows = len(asked)
    cache, sampler = model.new_cache(model.padded(rows), 512), FrameSampler(model, drawn_by, rows)
    state = FrameState.empty(rows, drawn_by)
    hidden = []
    for row, (prompt, sampling) in enumerate(asked):
        start(state, row, sampling, 0, penalised=False)
        hidden.append(model.prefill(prompt, cache, row, 0))
    columns = sampler(torch.stack(hidden), state)
    for row, (_, sampling) in enumerate(asked):
        start(state, row, sampling, 1)
    drawn_columns = [columns]
    positions = torch.tensor([prompt.shape[1] for prompt, _ in asked])
    for _ in range(FRAMES - 1):
        columns = sampler(model.step(columns, cache, positions, up_to(int(positions.max()))), state)
        state.push(columns)
        drawn_columns.append(columns)
        positions = positions + 1
    return list(torch.stack(drawn_columns, 2))


class Operations(TorchDispatchMode):
    """Names of what is computed."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(func._schema.name.removeprefix("aten::"))
        for mask in args[1] if self.names[-1] in ("index", "index_put_") else ():
            assert mask is None or mask.dtype == torch.int64, (
                "how many are chosen is only known when it is computed"
            )
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("speech_only", [False, True])
@pytest.mark.parametrize("version", ["v15", "v11"])
def test_a_step_waits_for_no_number_and_is_always_the_same(version: str, speech_only: bool) -> None:
    """As CUDA graphs need it."""
    model, drawn_by = network(version), rules(version, speech_only=speech_only)
    cache, sampler = model.new_cache(4, 64), FrameSampler(model, drawn_by, 4)
    state, columns = FrameState.empty(4, drawn_by), torch.zeros(4, 1 + drawn_by.num_codebooks, dtype=torch.int64)
    assert cache.agreeing(64) == 64  # found out once, by trying
    seen = []
    for number in range(3):
        with torch.no_grad(), Operations() as operations:
            drawn = sampler(model.step(columns, cache, torch.full((4,), number), 64), state)
            state.push(drawn)
            drawn_by.ended(drawn)
        columns = drawn
        start(state, 0, Sampling(0.5 * number, 0.5, 1.5, number), number)
        seen.append(operations.names)
    assert seen[0] == seen[1] == seen[2]
    assert {"bmm", "sort", "index_put_"} <= set(seen[0])
    waiting = {"_local_scalar_dense", "nonzero", "is_nonzero", "equal", "masked_select", "unique", "item"}
    assert not waiting & set(seen[0])


def test_the_window_has_sixteen_frames_and_starts_as_zeros() -> None:
    state = FrameState.empty(2, rules("v15"))
    for number in range(1, 20):
        columns = torch.full((2, 9), number)
        columns[1] += 100
        state.push(columns)
        last = state.window[0, :, 3].tolist()
        assert last == [*[0] * (WINDOW - number), *range(max(1, number - WINDOW + 1), number + 1)]
    assert state.window[1, -1].tolist() == [119] * 9
    assert state.frame.tolist() == [19, 19]
    state.copy_row(1, 0)
    assert torch.equal(state.window[0], state.window[1])
    start(state, 1, Sampling(0.5, 0.25, 1.5, 77), 3)
    assert not state.window[1].any()
    assert state.window[0].all()
    tensors = (state.temperature, state.top_p, state.penalty, state.seed, state.frame)
    assert [float(tensor[1]) for tensor in tensors] == [0.5, 0.25, 1.5, 77, 3]
    state.first(1).temperature.fill_(9)
    assert state.temperature.tolist() == [9, 0.5]


@torch.inference_mode()
def first_row(version: str, window: Tensor, penalty: float, *, speech_only: bool = False) -> Tensor:
    """The greedy column after some hidden state, with a window of so many equal frames."""
    model, drawn_by = network(version), rules(version, speech_only=speech_only)
    state = FrameState.empty(1, drawn_by)
    start(state, 0, Sampling(penalty=penalty), 5)
    state.window[:] = window
    hidden = torch.randn(1, model.config.dim, generator=torch.Generator().manual_seed(4))
    column: Tensor = FrameSampler(model, drawn_by, 1)(hidden, state)[0]
    return column


def test_version_1_5_penalises_tokens_and_version_1_1_does_not() -> None:
    plain = first_row("v15", torch.zeros(9, dtype=torch.int64), 1.0)
    assert first_row("v15", plain, 1e6)[0] != plain[0]
    old = first_row("v11", torch.zeros(3, dtype=torch.int64), 1.0)
    penalised = first_row("v11", old, 1e6)
    assert penalised[0] == old[0]
    assert penalised[1] != old[1]


def test_codebooks_are_penalised_for_their_own_past() -> None:
    plain = first_row("v15", torch.full((9,), 1_000), 1.0)
    window = torch.full((9,), 1_000)
    window[4] = plain[4]
    changed = first_row("v15", window, 1e6)
    assert torch.equal(changed[:4], plain[:4])
    assert changed[4] != plain[4]


def test_speech_only_draws_no_text() -> None:
    drawn_by = rules("v15", speech_only=True)
    prompt = golden(V15)["prompt"]
    free = generate(network("v15"), rules("v15"), prompt, 24, Sampling(1.0, 1.0, 1.2, 3))
    bound = generate(network("v15"), drawn_by, prompt, 24, Sampling(1.0, 1.0, 1.2, 3))
    allowed = torch.tensor(drawn_by.token_ids)
    assert not torch.isin(free[0], allowed).all()
    assert torch.isin(bound[0], allowed).all()
    spoken = bound[0] != drawn_by.end_ids[0]
    assert torch.equal(bound[0, spoken] - drawn_by.semantic.start, bound[1, spoken])


@pytest.mark.parametrize("version", ["v15", "v11"])
def test_speech_only_is_the_best_of_what_is_left(version: str) -> None:
    """Penalties of ids that are out of the question change nothing; of the others, as ever."""
    model, drawn_by = network(version), rules(version, speech_only=True)
    window = torch.zeros(1 + drawn_by.num_codebooks, dtype=torch.int64)
    frame = first_row(version, window, 1.3, speech_only=True)
    assert drawn_by.token_ids is not None
    hidden = torch.randn(1, model.config.dim, generator=torch.Generator().manual_seed(4))
    logits = model.token_logits(hidden)[0]
    masked = torch.full_like(logits, -math.inf)
    masked[list(drawn_by.token_ids)] = logits[list(drawn_by.token_ids)]
    assert frame[0] == masked.argmax()
    if drawn_by.token_penalised:
        window[0] = frame[0]
        masked[frame[0]] = masked[frame[0]] * 1e6 if masked[frame[0]] < 0 else masked[frame[0]] / 1e6
        assert first_row(version, window, 1e6, speech_only=True)[0] == masked.argmax()


def test_the_end_may_be_drawn_when_only_speech_is() -> None:
    drawn_by = rules("v15", speech_only=True)
    state = FrameState.empty(1, drawn_by)
    start(state, 0, Sampling(1.0, 1.0), 0)
    noise = torch.ones(1, sum(drawn_by.widths))
    noise[0, len(drawn_by.semantic)] = 1e-30
    with torch.inference_mode():
        column = FrameSampler(network("v15"), drawn_by, 1)(torch.zeros(1, 32), state, noise)
    assert column[0, 0] == drawn_by.end_ids[0]
    assert column[0, 1] == 0
    assert drawn_by.ended(column).all()


def test_what_ends() -> None:
    new, old = rules("v15"), rules("v11")
    columns = torch.tensor([[281, *[1] * 8], [290, *[1] * 8], [2, *[1] * 8]])
    assert new.ended(columns).tolist() == [True, False, False]
    columns = torch.tensor([[4, 5, 6], [2, 5, 6], [10, 5, 1], [10, 1, 5], [10, 0, 2], [1, 7, 8]])
    assert old.ended(columns).tolist() == [True, True, True, True, False, False]


def test_what_is_heard_of_a_segment() -> None:
    frames = torch.arange(5).expand(9, 5)
    new, old = rules("v15"), rules("v11")

    def heard(drawn_by: FrameRules, **how: bool) -> list[int]:
        return drawn_by.returned_frames(frames, **how)[0].tolist()

    assert heard(new, ended=True) == heard(old, ended=True) == [0, 1, 2, 3]
    assert heard(new, ended=False) == heard(old, ended=False) == [0, 1, 2, 3, 4]
    assert heard(new, ended=True, strict=True) == heard(new, ended=False, strict=True) == [1, 2, 3, 4]
    assert heard(old, ended=True, strict=True) == [0, 1, 2]
    assert heard(new, ended=False, first=False, strict=True) == [0, 1, 2, 3, 4]
    assert heard(old, ended=False, last=False, strict=True) == [0, 1, 2, 3, 4]
    assert new.returned_frames(frames[:, :1], ended=True).shape[1] == 0
    assert old.returned_frames(frames[:, :1], ended=True, strict=True).shape[1] == 0


def test_codes_of_columns() -> None:
    columns = torch.tensor([[10, 10], [2, 1_031], [0, 7]])
    assert rules("v11").codes(columns).tolist() == [[0, 1_029], [0, 5]]
    assert rules("v15").codes(torch.tensor([[290], [1], [1_023]])).tolist() == [[1], [1_023]]
