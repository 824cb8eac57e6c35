"""Finite scalar quantisation: codes are digits, and the grid is reached from both sides."""

from math import prod

import torch
from hypothesis import given
from hypothesis import strategies as st

from deployments.fish_speech.codec.fsq import GroupedFSQ, Levels
from tests.deployments.fish_speech.codec.support import FIREFLY, difference, golden

grids = st.lists(st.integers(3, 9), min_size=1, max_size=5).map(tuple)


def inputs(levels: Levels, codes: torch.Tensor) -> torch.Tensor:
    """Numbers, in float64, that are bounded twice to near the middle of what rounds to these codes."""
    target = levels.values(codes, torch.float64) * (levels.sizes // 2)
    outermost = levels.bound(levels.bound(torch.tensor([[-9.0], [9.0]], dtype=torch.float64)))
    near = torch.minimum(torch.maximum(target, outermost[0] + 1e-3), outermost[1] - 1e-3)
    for _ in range(2):
        near = torch.atanh((near + levels.offset) / levels.reach) - levels.shift
    return near


@given(grids, st.data())
def test_what_codes_stand_for_is_encoded_as_them(sizes: tuple[int, ...], data: st.DataObject) -> None:
    levels = Levels(sizes)
    entries = prod(sizes)
    codes = torch.tensor(data.draw(st.lists(st.integers(0, entries - 1), min_size=1, max_size=20)))
    assert levels.codes(inputs(levels, codes)).tolist() == codes.tolist()


def test_all_codes_of_the_released_grid_come_back() -> None:
    levels = Levels((8, 5, 5, 5))
    codes = torch.arange(1_000)
    assert torch.equal(levels.codes(inputs(levels, codes)), codes.int())
    assert levels.codes(inputs(levels, codes)).dtype == torch.int32
    assert len(levels.values(codes).unique(dim=0)) == 1_000


def test_values_are_the_originals() -> None:
    assert difference(Levels((8, 5, 5, 5)).values(torch.arange(1_000)), golden(FIREFLY)["group0_codebook"]) == 0


@given(grids, st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=20))
def test_codes_outside_are_the_first_or_the_last(sizes: tuple[int, ...], outside: list[int]) -> None:
    levels = Levels(sizes)
    codes = torch.tensor(outside, dtype=torch.int32)
    assert torch.equal(levels.values(codes), levels.values(codes.clamp(0, prod(sizes) - 1)))


@given(grids, st.lists(st.floats(-1e30, 1e30), min_size=1, max_size=30))
def test_every_number_has_a_code(sizes: tuple[int, ...], numbers: list[float]) -> None:
    codes = Levels(sizes).codes(torch.tensor(numbers)[:, None].expand(-1, len(sizes)))
    assert 0 <= int(codes.min()) <= int(codes.max()) < prod(sizes)


@torch.inference_mode()
def test_groups_know_nothing_of_each_other() -> None:
    torch.manual_seed(0)
    quantizer = GroupedFSQ(24, 3, (8, 5, 5))
    latents = torch.randn(2, 24, 11)
    codes = quantizer.encode(latents)
    assert codes.shape == (2, 3, 11)
    changed = latents.clone()
    changed[:, 8:16] += 1
    assert torch.equal(quantizer.encode(changed)[:, ::2], codes[:, ::2])
    assert not torch.equal(quantizer.encode(changed)[:, 1], codes[:, 1])
    one_by_one = [
        group.project_out(quantizer.levels.values(codes[:, index])) for index, group in enumerate(quantizer.rvqs)
    ]
    assert difference(quantizer.decode(codes), torch.cat(one_by_one, -1).transpose(1, 2)) < 1e-6
