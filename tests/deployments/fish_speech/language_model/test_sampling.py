"""From logits to ids: the original's probabilities, exact draws, and what rows do not do to each other."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor

from deployments.fish_speech.language_model.sampling import draw, penalised, probabilities
from tests.deployments.fish_speech.codec.support import difference, golden
from tests.deployments.fish_speech.language_model.support import V15, code_noise, described


def one(value: float) -> Tensor:
    return torch.tensor([value])


@pytest.mark.parametrize("number", range(4))
def test_probabilities_are_the_originals(number: int) -> None:
    expected, case = golden(V15), described("v15")["prob_cases"][number]
    logits = expected["probs_logits"][None]
    if case["previous"] is not None:
        logits = penalised(logits, torch.tensor([case["previous"]]), one(case["repetition_penalty"]))
    shares = probabilities(logits, one(case["temperature"]), one(case["top_p"]))
    assert difference(shares[0], expected[f"probs_case{number}"]) < 1e-6
    assert not torch.equal(shares.sort().values, torch.zeros_like(shares))


def test_ids_are_penalised_once_and_away_from_the_top() -> None:
    logits = torch.tensor([[2.0, -2.0, 1.0, 0.0], [2.0, -2.0, 1.0, 0.0]])
    seen = torch.tensor([[0, 0, 1], [2, 2, 3]])
    lowered = penalised(logits, seen, torch.tensor([2.0, 4.0]))
    assert lowered.tolist() == [[1.0, -4.0, 1.0, 0.0], [2.0, -2.0, 0.25, 0.0]]
    assert logits[0, 0] == 2
    assert torch.equal(penalised(logits, seen, torch.ones(2)), logits)


def test_the_temperature_comes_after_the_choice_of_candidates() -> None:
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()
    for temperature in (0.1, 1.0, 2.0):
        assert (probabilities(logits, one(temperature), one(0.81)) > 0).tolist() == [[True, True, False, False]]
    warm = probabilities(logits, one(2.0), one(0.81))[0]
    assert float(warm[0] / warm[1]) == pytest.approx((5 / 3) ** 0.5)


def test_the_best_is_always_kept() -> None:
    logits = torch.tensor([[1.0, 3.0, 2.0]])
    assert probabilities(logits, one(1.0), one(1e-6)).tolist() == [[0.0, 1.0, 0.0]]
    assert probabilities(logits, one(0.0), one(1.0)).argmax() == 1


def test_equal_logits_keep_their_order() -> None:
    logits = torch.zeros(1, 300)
    kept = probabilities(logits, one(1.0), one(0.5))[0].nonzero().flatten()
    assert kept.tolist() == list(range(len(kept)))
    assert 148 <= len(kept) <= 150


def test_ids_come_as_often_as_their_probabilities_say() -> None:
    logits, times = torch.tensor([[2.0, 1.0, 0.0, -1.0, 1.5]]), 40_000
    temperature, top_p = one(0.8), one(0.95)
    expected = probabilities(logits, temperature, top_p)[0]
    noise = code_noise(torch.full((times,), 11), torch.arange(times), 0, 5)
    ids = draw(logits.expand(times, 5), temperature.expand(times), top_p.expand(times), noise)
    share = torch.bincount(ids, minlength=5) / times
    assert bool((expected[3:4] == 0).all())
    assert bool(((share - expected).abs() < 4 * (expected * (1 - expected) / times) ** 0.5 + 1e-9).all())


SETTINGS = st.tuples(st.floats(0, 2), st.floats(1e-6, 1), st.floats(0.9, 2))


@given(
    st.integers(2, 700),
    st.lists(SETTINGS, min_size=1, max_size=9),
    st.integers(0, 2**32),
    st.sampled_from([1, 8, 60]),
)
def test_rows_are_drawn_as_alone(width: int, asked: list[tuple[float, ...]], seed: int, scale: int) -> None:
    temperature, top_p, penalty = torch.tensor(asked).t()
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(len(asked), width, generator=generator) * scale
    seen = torch.randint(0, width, (len(asked), 16), generator=generator)
    noise = code_noise(torch.arange(len(asked)), torch.full((len(asked),), seed), 0, width)

    def through(rows: slice) -> Any:
        fair = penalised(logits[rows], seen[rows], penalty[rows])
        return fair, draw(fair, temperature[rows], top_p[rows], noise[rows])

    fair, ids = through(slice(None))
    for row in range(len(asked)):
        alone, chosen = through(slice(row, row + 1))
        assert torch.equal(fair[row], alone[0])
        assert ids[row] == chosen[0]
        assert probabilities(alone, temperature[row : row + 1], top_p[row : row + 1])[0, chosen[0]] > 0


@given(
    arrays(np.float32, st.integers(1, 40), elements=st.floats(-20, 20, width=32)),
    st.floats(0.01, 1),
    st.floats(0.1, 2),
)
def test_draws_are_those_of_a_plain_reading_of_the_rules(
    values: np.ndarray[Any, Any], top_p: float, temperature: float
) -> None:
    logits = torch.from_numpy(values)[None]
    noise = code_noise(torch.tensor([5]), torch.tensor([6]), 0, len(values))
    order = sorted(range(len(values)), key=lambda number: -values[number])
    shares = torch.softmax(logits[0], 0)
    kept, mass = [order[0]], float(shares[order[0]])
    for number in order[1:]:
        mass += float(shares[number])
        if mass > top_p:
            break
        kept.append(number)
    if abs(mass - top_p) < 1e-5:
        return  # on the border, where rounding decides
    chances = probabilities(logits, one(temperature), one(top_p))[0]
    assert set(chances.nonzero().flatten().tolist()) <= set(kept)
    best = max(kept, key=lambda number: float(chances[number] / noise[0, number]))
    assert draw(logits, one(temperature), one(top_p), noise)[0] == best
