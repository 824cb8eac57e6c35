"""The language model's networks beside the original's arrays, alone and in a batch, with and without a cache."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from deployments.fish_speech.language_model import kv_cache
from deployments.fish_speech.language_model.dual_ar import DualAR
from deployments.fish_speech.language_model.dual_ar_config import DualARConfig
from deployments.fish_speech.language_model.kv_cache import KVCache, StepEntries
from deployments.fish_speech.language_model.transformer import (
    FeedForward,
    LayerSize,
    rotary_table,
    rotate,
    row_multiple,
)
from deployments.layers.state_dict import shapes_only
from tests.deployments.fish_speech.codec.support import difference, golden
from tests.deployments.fish_speech.language_model.support import (
    LENGTH,
    V11,
    V15,
    network,
    random_columns,
    random_network,
    up_to,
)

FOLDERS = {"v15": V15, "v11": V11}
CACHED = 512

pytestmark = pytest.mark.usefixtures("_inference")


@pytest.fixture
def _inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


@pytest.fixture(params=["v15", "v11"])
def version(request: pytest.FixtureRequest) -> str:
    parameter: str = request.param
    return parameter


def close(ours: Tensor, theirs: Tensor) -> bool:
    """Within the tolerance of the goldens."""
    return ours.shape == theirs.shape and torch.allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def hidden_of(model: DualAR, columns: Tensor) -> Tensor:
    """Of all columns, read at once."""
    return model.prefill_all(columns, model.new_cache(1, CACHED), 0, 0)


def fast_logits(model: DualAR, hidden: Tensor, codes: Tensor) -> Tensor:
    """Of all codebooks (n, codebooks, entries) after hidden states (n, dim), if the ``codes`` are (n, any)."""
    cache = model.new_fast_cache(model.padded(len(hidden)))
    inputs, hiddens = model.fast_input(model.pad(hidden)), []
    for position in range(model.config.num_codebooks):
        hiddens.append(model.fast_step(inputs, cache, position)[: len(hidden)])
        if position < codes.shape[1]:
            inputs = model.fast_embeddings(model.pad(codes[:, position]))
    return torch.stack(hiddens, 1)


def test_angles_are_the_originals() -> None:
    table, expected = rotary_table(64, 8, 1e6), golden(V15)
    assert torch.equal(torch.view_as_real(table), expected["freqs_cis_64"])
    assert torch.equal(torch.view_as_real(rotary_table(8, 8, 1e6)), expected["fast_freqs_cis"])


def test_logits_of_a_whole_prompt_are_the_originals(version: str) -> None:
    model, expected = network(version), golden(FOLDERS[version])
    hidden = hidden_of(model, expected["prompt"])
    assert close(model.token_logits(hidden), expected["parallel_token_logits"])
    places = expected["parallel_codebook_positions"].long()
    codes = expected["prompt"].t()[places + 1, 1:-1].long()
    assert close(fast_logits(model, hidden[places], codes), expected["parallel_codebook_logits"])


def test_prefill_and_a_frames_chain_are_the_originals(version: str) -> None:
    model, expected = network(version), golden(FOLDERS[version])
    hidden = model.prefill(expected["prompt"], model.new_cache(1, CACHED), 0, 0)
    assert close(model.token_logits(hidden[None])[0], expected["prefill_logits"])
    assert close(model.fast_input(hidden[None])[0], expected["prefill_hidden"])
    codes = expected["fast_tf_codes"].long()[None, :-1]
    assert close(fast_logits(model, hidden[None], codes)[0], expected["fast_tf_logits"])


def test_exact_angles_would_be_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    def exact(length: int, head_dim: int, base: float, device: torch.device | None = None) -> Tensor:
        powers = torch.arange(0, head_dim, 2) / head_dim
        angles = torch.outer(torch.arange(length), base**-powers)
        return torch.polar(torch.ones_like(angles), angles)

    monkeypatch.setattr(kv_cache, "rotary_table", exact)
    model, expected = network("v15"), golden(V15)
    logits = model.token_logits(hidden_of(model, expected["prompt"]))
    assert not close(logits, expected["parallel_token_logits"])
    assert 1e-3 < difference(logits, expected["parallel_token_logits"]) < 0.1


def test_bfloat16_is_as_near_as_it_gets() -> None:
    model, expected = network("v15", torch.bfloat16), golden(V15)
    hidden = model.prefill(expected["prompt"], model.new_cache(1, CACHED), 0, 0)[None]
    assert hidden.dtype == torch.bfloat16
    logits, projected = model.token_logits(hidden)[0].float(), model.fast_input(hidden)[0].float()
    assert difference(logits, expected["prefill_logits_bf16"].float()) < 0.15
    assert difference(projected, expected["prefill_hidden_bf16"].float()) < 0.15


def test_pieces_and_steps_are_the_whole_prompt(version: str) -> None:
    model, prompt = network(version), golden(FOLDERS[version])["prompt"]
    whole = hidden_of(model, prompt)
    cache = model.new_cache(4, CACHED)
    pieces = torch.cat(
        [model.prefill_all(prompt[:, :40], cache, 2, 0), model.prefill_all(prompt[:, 40:70], cache, 2, 40)]
    )
    assert difference(pieces, whole[:70]) < 1e-5
    cache.copy_row(2, 0, 70)
    for position in range(70, prompt.shape[1]):
        stepped = model.step(prompt[None, :, position], cache, torch.tensor([position]), 192)[0]
        assert difference(stepped, whole[position]) < 1e-5


def test_codes_count_beside_semantic_tokens_only() -> None:
    model = network("v15")
    assert model.semantic is not None
    column = torch.zeros(1, 9, dtype=torch.int64)
    spoken, other = column.clone(), column.clone()
    other[:, 1:] = 7
    assert torch.equal(model.embed(column), model.embed(other))
    spoken[:, 0] = other[:, 0] = model.semantic.stop - 1
    assert not torch.equal(model.embed(spoken), model.embed(other))


def test_code_0_of_version_1_1_adds_nothing() -> None:
    model = network("v11")
    token = torch.tensor([[7, 0, 0]])
    assert torch.equal(model.embed(token), model.embeddings(token[:, 0]))
    assert not torch.equal(model.embed(token + torch.tensor([0, 1, 0])), model.embeddings(token[:, 0]))


def test_a_head_for_some_tokens_has_their_logits() -> None:
    model, ids = network("v15"), torch.tensor([281, 300, 5])
    hidden = hidden_of(model, golden(V15)["prompt"])[:3]
    assert torch.allclose(model.token_logits(hidden, model.token_head(ids)), model.token_logits(hidden)[:, ids])


# A network of each size below is computed alone, then in batches with strangers. The last has no size that is a
# multiple of anything.
SIZES = {
    "sample": (
        range(444, 644),
        {"vocab_size": 644, "n_layer": 4, "n_head": 4, "dim": 160, "intermediate_size": 400, "n_local_heads": 2,
         "codebook_size": 200, "num_codebooks": 4, "n_fast_layer": 1},
    ),
    "released": (
        range(100, 1_124),
        {"vocab_size": 1_200, "n_layer": 1, "n_head": 16, "dim": 1_024, "intermediate_size": 4_096,
         "n_local_heads": 2, "codebook_size": 1_024, "num_codebooks": 3, "n_fast_layer": 1,
         "tie_word_embeddings": False},
    ),
    "old": (
        None,
        {"vocab_size": 264, "n_layer": 1, "n_head": 16, "dim": 1_024, "codebook_size": 1_032, "num_codebooks": 2,
         "n_fast_layer": 1, "tie_word_embeddings": False},
    ),
    "odd": (
        range(100, 130),
        {"vocab_size": 301, "n_layer": 2, "n_head": 6, "dim": 84, "intermediate_size": 101, "n_local_heads": 3,
         "codebook_size": 31, "num_codebooks": 3, "n_fast_layer": 2, "fast_dim": 36, "fast_n_head": 2,
         "fast_n_local_heads": 1, "fast_intermediate_size": 51, "attention_qkv_bias": True},
    ),
}  # fmt: skip
STARTED, SPOKEN = 20, 6  # columns


def spoken_by(model: DualAR, columns: Tensor, batch: int, row: int, generator: torch.Generator) -> list[Tensor]:
    """Hidden states, logits and a frame's logits after each of ``columns``, in a row between strangers."""
    longest = 3 * LENGTH if model.config.dim > 500 else CACHED
    cache = model.new_cache(model.padded(batch), longest)
    cache.data.uniform_(-2, 2, generator=generator)
    model.prefill(columns[:STARTED].t(), cache, row, 0)
    computed = []
    for position in range(STARTED, len(columns)):
        length = LENGTH * int(torch.randint(1, longest // LENGTH + 1, (), generator=generator))
        mixed = random_columns(model, batch, generator)
        positions = torch.randint(0, length, (batch,), generator=generator)
        mixed[row], positions[row] = columns[position], position
        hidden = model.step(mixed, cache, positions, length)
        codes = mixed[:, 1:]
        computed += [hidden[row], model.token_logits(hidden)[row], fast_logits(model, hidden, codes)[row]]
    return computed


@pytest.mark.parametrize("size", SIZES)
def test_neighbours_and_cache_lengths_change_no_bit(size: str) -> None:
    semantic, sizes = SIZES[size]
    model = random_network(semantic, **sizes)
    generator = torch.Generator().manual_seed(3)
    columns = random_columns(model, STARTED + SPOKEN, generator)
    alone = spoken_by(model, columns, 1, 0, generator)
    for batch, row in [
        (1, 0),
        (2, 1),
        (3, 0),
        (4, 3),
        (5, 4),
        (7, 2),
        (8, 7),
        (13, 12),
        (16, 0),
        (31, 30),
        (32, 5),
    ]:
        together = spoken_by(model, columns, batch, row, generator)
        assert all(map(torch.equal, alone, together)), f"row {row} of {batch}"


@pytest.mark.parametrize(("heads", "kv_heads", "head_dim"), [(4, 2, 40), (16, 2, 64), (4, 4, 12), (8, 1, 8)])
def test_what_lies_beyond_a_position_changes_no_bit(heads: int, kv_heads: int, head_dim: int) -> None:
    generator = torch.Generator().manual_seed(5)
    size = LayerSize(heads * head_dim, heads, kv_heads, 1, 1e-5)
    cache = KVCache(1, 8, 1_024, size, 1e4)
    assert cache.lengths[-1] == cache.agreeing(1_024) == 1_024
    cache.data.uniform_(-1, 1, generator=generator)
    query = torch.randn(8, heads, head_dim, generator=generator)
    new = torch.randn(8, 2, kv_heads, head_dim, generator=generator)
    for position in (3, 100, 150, 191, 192, 250, 300, 383, 400, 700):
        others = torch.randint(0, position + 1, (8,), generator=generator)
        seen = []
        for length in range(up_to(position), 1_025, LENGTH):
            agreed = cache.agreeing(length)
            assert length <= agreed == cache.agreeing(agreed)
            for rows in (4, 8):
                positions = others[:rows].clone()
                positions[2] = position
                entries = StepEntries(cache, positions, rows, agreed)
                seen.append(entries.attend(0, query[:rows], new[:rows])[2])
        assert all(torch.equal(one, seen[0]) for one in seen), position


def test_a_step_writes_its_own_rows_only() -> None:
    model = network("v15")
    cache = model.new_cache(4, CACHED)
    columns = random_columns(model, 1, torch.Generator().manual_seed(0))
    model.step(columns, cache, torch.tensor([5]), 64)
    assert cache.data[:, 0, :, :, 5].all()
    cache.data[:, 0, :, :, 5] = 0
    assert not cache.data.any()


def test_rows_are_copied_kept_and_restored() -> None:
    model = network("v15")
    cache = model.new_cache(3, 100)
    assert (cache.length, cache.data.shape[:2]) == (128, (2, 3))
    assert cache.bytes == 2 * 3 * 2 * 2 * 128 * 8 * 4
    prompt = golden(V15)["prompt"][:, :50]
    last = model.prefill(prompt, cache, 1, 0)
    kept = cache.snapshot(1, 40)
    assert kept.length == 40
    cache.copy_row(1, 0, 50)
    assert torch.equal(cache.data[:, 0], cache.data[:, 1])
    cache.data.zero_()
    cache.restore(2, kept)
    again = model.prefill(prompt[:, 40:], cache, 2, 40)
    assert difference(again, last) < 1e-5
    assert not cache.data[:, :2].any()


def test_sizes_that_are_left_out_follow_from_others() -> None:
    released = DualARConfig(dim=1_024, n_head=16, n_local_heads=2, fast_n_head=8, fast_dim=512)
    assert released.slow.intermediate_size == 2_816
    assert (released.slow.head_dim, released.fast.head_dim) == (64, 64)
    assert (released.fast.n_local_heads, released.fast.intermediate_size) == (2, 2_816)
    every = DualARConfig(dim=96, n_head=4, fast_n_local_heads=-1, attention_qkv_bias=True)
    assert (every.slow.n_local_heads, every.fast.n_local_heads, every.slow.intermediate_size) == (4, 4, 256)
    assert every.fast.attention_qkv_bias
    assert DualARConfig(dim=96, n_head=4, head_dim=7).slow.head_dim == 24  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "sizes", [{"dim": 100, "n_head": 3}, {"dim": 12, "n_head": 4}, {"dim": 96, "n_head": 4, "n_local_heads": 3}]
)
def test_sizes_that_do_not_fit_are_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="divide"):
        DualARConfig(**sizes)  # type: ignore[arg-type]


def test_the_released_network_has_the_released_number_of_parameters() -> None:
    with shapes_only():
        model = DualAR(
            DualARConfig(
                vocab_size=102_048, n_layer=24, n_head=16, dim=1_024, intermediate_size=4_096, n_local_heads=2,
                codebook_size=1_024, num_codebooks=8, tie_word_embeddings=False,
            ),
            range(101_024, 102_048),
        )  # fmt: skip
    assert sum(parameter.numel() for parameter in model.parameters()) == 637_921_280


def test_batches_are_padded_to_what_keeps_rows_apart() -> None:
    model = network("v15")
    multiple = row_multiple([model.layers[0].attention.wqkv.weight])
    assert 1 < multiple <= model.row_multiple <= 48
    assert [model.padded(rows) for rows in (1, model.row_multiple, 2 * model.row_multiple - 1)] == [
        model.row_multiple, model.row_multiple, 2 * model.row_multiple,
    ]  # fmt: skip
    assert model.pad(torch.ones(1, 2, 3)).sum() == 6
    assert network("v15", torch.bfloat16).row_multiple == 1


def test_a_product_that_mixes_rows_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def tiled(rows: Tensor, matrix: Tensor) -> Tensor:
        product = rows @ matrix.t()
        product[len(rows) // 8 * 8 :] += 1e-6  # as if a rest took another kernel
        return product

    monkeypatch.setattr("torch.nn.functional.linear", tiled)
    assert row_multiple([torch.eye(16)]) == 8


@pytest.fixture
def _three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("_three_threads")
def test_threads_begin_no_work_within_a_row() -> None:
    """Large batches, whose element-wise functions torch shares out among threads."""
    values = torch.randn(4_096)
    alone = torch.cat([functional.silu(value[None]) for value in values])
    odd = values[functional.silu(values) != alone]  # where vector units and the rest disagree
    if len(odd):
        forward = FeedForward(LayerSize(dim=16, n_head=1, n_local_heads=1, intermediate_size=2_821, norm_eps=1e-5))
        hidden = torch.eye(16)[torch.zeros(44, dtype=torch.int64)]
        forward.w13.weight[:, 0] = odd[0]
        together = forward(hidden, hidden)
        assert all(torch.equal(row, together[0]) for row in together)
    heads, angles = torch.randn(45, 61, 38), torch.polar(torch.ones(45, 1, 19), torch.randn(45, 1, 19))
    turned = rotate(heads.clone(), angles)
    for row in range(45):
        assert torch.equal(rotate(heads[row : row + 1].clone(), angles[row : row + 1])[0], turned[row])
    assert torch.equal(rotate(heads.clone(), angles[:1])[5:6], rotate(heads[5:6].clone(), angles[:1]))
