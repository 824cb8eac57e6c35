"""Our encoder and head beside transformers' own RoBERTa with the same random weights."""

import pytest
import torch
from transformers import RobertaConfig, RobertaModel

from deployments.text_classification.network import NetworkSize, TweetClassifier
from tests.deployments.text_classification.support import random_network, size

SIZES = [
    size(),
    size(hidden_size=768, num_hidden_layers=2, num_attention_heads=12, intermediate_size=3072, vocab_size=5_000),
    size(num_hidden_layers=1, labels=2, head_size=512),
]


def reference(network: TweetClassifier, shape: NetworkSize, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Logits by transformers' encoder and plain matrix products."""
    config = RobertaConfig(
        vocab_size=shape.vocab_size,
        hidden_size=shape.hidden_size,
        num_hidden_layers=shape.num_hidden_layers,
        num_attention_heads=shape.num_attention_heads,
        intermediate_size=shape.intermediate_size,
        max_position_embeddings=shape.max_position_embeddings,
        type_vocab_size=1,
        layer_norm_eps=shape.layer_norm_eps,
        pad_token_id=shape.pad_token_id,
    )
    encoder = RobertaModel(config, add_pooling_layer=False).eval()
    keys = encoder.load_state_dict(network.model.state_dict(), strict=False)
    assert not keys.unexpected_keys
    assert all("position_ids" in key or "token_type_ids" in key for key in keys.missing_keys)
    first = encoder(input_ids=ids, attention_mask=mask).last_hidden_state[:, 0]
    hidden = torch.relu(first @ network.linear1.weight.T + network.linear1.bias)
    return hidden @ network.linear2.weight.T + network.linear2.bias


@pytest.mark.parametrize("shape", SIZES, ids=["small", "wide", "one layer"])
@pytest.mark.parametrize("lengths", [(3,), (128,), (2, 40, 128, 7)], ids=str)
@torch.inference_mode()
def test_equals_transformers_roberta(shape: NetworkSize, lengths: tuple[int, ...]) -> None:
    network = random_network(shape, seed=len(lengths))
    ids = torch.full((len(lengths), max(lengths)), shape.pad_token_id)
    mask = torch.zeros_like(ids)
    for row, length in enumerate(lengths):
        ids[row, :length] = torch.randint(shape.pad_token_id + 1, shape.vocab_size, (length,))
        mask[row, :length] = 1
    ours, theirs = network(ids, mask), reference(network, shape, ids, mask)
    assert torch.allclose(ours.softmax(-1), theirs.softmax(-1), atol=1e-5)
    assert torch.allclose(ours, theirs, atol=1e-5 * max(1.0, float(theirs.abs().max())))


def test_the_longest_input_leaves_two_positions_unused() -> None:
    shape = size(max_position_embeddings=514)
    assert shape.most_tokens == 512
    network = random_network(shape)
    full = torch.full((1, 512), 9)
    assert network(full, torch.ones_like(full)).isfinite().all()
    with pytest.raises(IndexError):
        network(torch.full((1, 513), 9), torch.ones((1, 513)))


def test_dropout_is_for_training_only() -> None:
    network = random_network(size())
    ids = torch.randint(5, 261, (1, 9))
    mask = torch.ones_like(ids)
    assert torch.equal(network(ids, mask), network(ids, mask))
    network.train()
    assert not torch.equal(network(ids, mask), network(ids, mask))
