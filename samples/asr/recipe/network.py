"""The network: Hugging Face's Whisper module, run in a way that makes training cheap.

Architecture: Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak Supervision", at d_model 128.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import WhisperConfig, WhisperForConditionalGeneration

from .augment import MELS
from .tokens import TIMESTAMPS, Tokens

WIDTH, HEADS = 128, 4
POSITIONS = 1500
ENCODER_LAYERS, DECODER_LAYERS = 4, 3
#: Positions that stand for all the padding of a window in training.
PADDING_SAMPLES = 12
#: (layer, head) whose cross-attention is guided to the words: the alignment heads of word timestamps.
ALIGNMENT_HEADS = [[DECODER_LAYERS - 1, 0], [DECODER_LAYERS - 1, 1]]


def build_network(tokens: Tokens) -> Any:
    """An untrained network (2.16 M parameters, 0.19 M of them the fixed sinusoids)."""
    config = WhisperConfig(
        vocab_size=tokens.size,
        num_mel_bins=MELS,
        d_model=WIDTH,
        encoder_layers=ENCODER_LAYERS,
        decoder_layers=DECODER_LAYERS,
        encoder_attention_heads=HEADS,
        decoder_attention_heads=HEADS,
        encoder_ffn_dim=4 * WIDTH,
        decoder_ffn_dim=4 * WIDTH,
        max_source_positions=POSITIONS,
        max_target_positions=448,
        bos_token_id=tokens.end,
        eos_token_id=tokens.end,
        pad_token_id=tokens.end,
        decoder_start_token_id=tokens.start,
        dropout=0.0,
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )
    network = WhisperForConditionalGeneration(config)
    _initialise(network, tokens)
    network.model.encoder.embed_positions.weight.requires_grad_(False)
    return network


@torch.no_grad()
def _initialise(network: Any, tokens: Tokens) -> None:
    """Time tokens start as scaled positions, the first two encoder layers as local attention."""
    encoder, decoder = network.model.encoder, network.model.decoder
    for name, parameter in network.named_parameters():
        if parameter.dim() > 1 and "embed" not in name:
            fill = nn.init.xavier_uniform_ if parameter.dim() == 2 else nn.init.kaiming_normal_
            fill(parameter)
    embeddings = decoder.embed_tokens.weight
    embeddings.normal_(0, 0.05)
    stamps = slice(tokens.zero, tokens.zero + TIMESTAMPS - 1)
    embeddings[stamps] = 0.1 * encoder.embed_positions.weight + 0.005 * torch.randn(POSITIONS, WIDTH)
    _look_around(encoder.layers[0].self_attn, (-6, -2, 2, 6), 0)
    _look_around(encoder.layers[1].self_attn, (-16, -5, 5, 16), 4)


def _look_around(attention: Any, offsets: tuple[int, ...], first_pair: int) -> None:
    """Make each head look ``offset`` positions away: pairs of sinusoids, the key rotated by the offset."""
    query, key = attention.q_proj.weight.mul_(0.3), attention.k_proj.weight.mul_(0.3)
    for head, offset in enumerate(offsets):
        for pair in range(first_pair, first_pair + 16):
            row = head * WIDTH // HEADS + 2 * (pair - first_pair)
            angle = math.exp(-math.log(10000) / 63 * pair) * offset
            cosine, sine = 1.58 * math.cos(angle), 1.58 * math.sin(angle)
            query[[row, row + 1], [pair, 64 + pair]] += 1.58
            columns = [pair, 64 + pair, 64 + pair, pair]
            key[[row, row, row + 1, row + 1], columns] += torch.tensor([cosine, -sine, cosine, sine])


class _PairedAttention(torch.autograd.Function):
    """Softmax attention two windows at a time, probabilities kept: on a CPU twice as fast as torch's."""

    @staticmethod
    def forward(
        ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bias: torch.Tensor
    ) -> torch.Tensor:
        query = (query * query.shape[-1] ** -0.5).contiguous()
        key, value = key.contiguous(), value.contiguous()
        weights = query.new_empty(*query.shape[:3], key.shape[2])
        result = torch.empty_like(query)
        for first in range(0, len(query), 2):
            pair = slice(first, first + 2)
            torch.softmax(query[pair] @ key[pair].transpose(-1, -2) + bias, -1, out=weights[pair])
            torch.matmul(weights[pair], value[pair], out=result[pair])
        ctx.save_for_backward(query, key, value, weights)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, None]:
        query, key, value, weights = ctx.saved_tensors
        gradient = gradient.contiguous()
        d_query, d_key, d_value = torch.empty_like(query), torch.empty_like(key), torch.empty_like(value)
        for first in range(0, len(query), 2):
            pair = slice(first, first + 2)
            torch.matmul(weights[pair].transpose(-1, -2), gradient[pair], out=d_value[pair])
            d_weights = gradient[pair] @ value[pair].transpose(-1, -2)
            d_scores = torch._softmax_backward_data(d_weights, weights[pair], -1, weights.dtype)
            torch.matmul(d_scores, key[pair], out=d_query[pair])
            torch.matmul(d_scores.transpose(-1, -2), query[pair], out=d_key[pair])
        return d_query * query.shape[-1] ** -0.5, d_key, d_value, None


def _attend(
    module: Any, asking: torch.Tensor, asked: torch.Tensor, bias: torch.Tensor | None, keep: bool = False
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Output (B, L, D) and, with ``keep``, the probabilities (B, heads, L, keys). Causal without bias."""
    rows, length, _ = asking.shape
    query, key, value = (
        projection(source).view(rows, -1, HEADS, WIDTH // HEADS).transpose(1, 2)
        for projection, source in ((module.q_proj, asking), (module.k_proj, asked), (module.v_proj, asked))
    )
    weights = None
    if bias is None:
        result = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
    elif keep:
        weights = (query @ key.transpose(-1, -2) * (WIDTH // HEADS) ** -0.5 + bias).softmax(-1)
        result = weights @ value
    else:
        result = _PairedAttention.apply(query, key, value, bias.to(query.dtype))  # type: ignore[no-untyped-call]
    return module.out_proj(result.transpose(1, 2).reshape(rows, length, WIDTH)), weights


@dataclass(slots=True)
class Outputs:
    """``encoded`` (B, T, D), ``decoded`` (B, L, D), cross-attention (B, heads, L, keys) of the last two layers."""

    encoded: torch.Tensor
    decoded: torch.Tensor
    pointing: torch.Tensor
    aligning: torch.Tensor


def _feed_forward(layer: Any, hidden: torch.Tensor) -> Any:
    return layer.fc2(functional.gelu(layer.fc1(layer.final_layer_norm(hidden))))


def _encode(network: Any, mel: torch.Tensor, samples: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Encoder output (B, T + samples, D) and the attention bias (1, 1, 1, T + samples) of its positions.

    Padding is constant in the log-mel domain, so it is one vector plus its position. ``samples`` of its positions
    stand for all: their attention scores are raised by the logarithm of how many each one represents.
    """
    encoder = network.model.encoder

    def convolve(features: torch.Tensor) -> torch.Tensor:
        return functional.gelu(encoder.conv2(functional.gelu(encoder.conv1(features)))).transpose(1, 2)

    positions = encoder.embed_positions.weight
    hidden = convolve(mel)
    rows, real, _ = hidden.shape
    silence = convolve(torch.zeros(1, MELS, 16))[0, 4]
    spread = (torch.arange(samples) + torch.rand(samples)) * (POSITIONS - real) / samples
    chosen = real + spread.long().clamp(max=POSITIONS - 1 - real)
    padding = (silence + positions[chosen]).expand(rows, samples, WIDTH)
    hidden = torch.cat([hidden + positions[:real], padding], 1)
    bias = torch.zeros(1, 1, 1, real + samples)
    bias[..., real:] = math.log((POSITIONS - real) / samples)
    for layer in encoder.layers:
        normed = layer.self_attn_layer_norm(hidden)
        hidden = hidden + _attend(layer.self_attn, normed, normed, bias)[0]
        hidden = hidden + _feed_forward(layer, hidden)
    return encoder.layer_norm(hidden), bias


@torch.no_grad()
def encode(network: Any, mel: torch.Tensor, samples: int = PADDING_SAMPLES) -> torch.Tensor:
    """Encoder output (B, T, D) without gradients."""
    with torch.autocast("cpu", torch.bfloat16):
        return _encode(network, mel, samples)[0][:, : mel.shape[2] // 2].float()


def run_network(network: Any, mel: torch.Tensor, given: torch.Tensor, samples: int = PADDING_SAMPLES) -> Outputs:
    """Forward pass of a window shorter than 30 s, imitating the same window padded to 1500 positions."""
    decoder = network.model.decoder
    encoded, bias = _encode(network, mel, samples)
    text = decoder.embed_tokens(given) + decoder.embed_positions.weight[: given.shape[1]]
    kept: list[torch.Tensor] = []
    for number, layer in enumerate(decoder.layers):
        normed = layer.self_attn_layer_norm(text)
        text = text + _attend(layer.self_attn, normed, normed, None)[0]
        normed = layer.encoder_attn_layer_norm(text)
        result, weights = _attend(layer.encoder_attn, normed, encoded, bias, keep=number >= DECODER_LAYERS - 2)
        text = text + result
        text = text + _feed_forward(layer, text)
        if weights is not None:
            kept.append(weights.float())
    real = mel.shape[2] // 2
    return Outputs(encoded[:, :real].float(), decoder.layer_norm(text).float(), kept[-2], kept[-1])
