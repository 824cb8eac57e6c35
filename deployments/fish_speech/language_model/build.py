"""Building a language model from a state dict with the original's names."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from deployments.errors import ModelUnavailable
from deployments.fish_speech.language_model.dual_ar import DualAR
from deployments.fish_speech.language_model.dual_ar_config import DualARConfig
from deployments.layers.state_dict import read_state_dict, shapes_only

_PREFIX = "model."  # in files that training wrote
_LEGACY = ("wq", "wk", "wv")
SHOWN_NAMES = 3


def read_language_model(path: Path) -> dict[str, Tensor]:
    """The tensors of a language model's file, by the names of today. Raises as ``read_state_dict`` does."""
    state = read_state_dict(path)
    if any(name.startswith(_PREFIX) for name in state):
        state = {name.removeprefix(_PREFIX): tensor for name, tensor in state.items() if name.startswith(_PREFIX)}
    for name in [name for name in state if name.endswith(f".{_LEGACY[0]}.weight")]:
        layer = name.removesuffix(f"{_LEGACY[0]}.weight")
        parts = [state.get(f"{layer}{part}.weight") for part in _LEGACY]
        state[f"{layer}wqkv.weight"] = torch.cat([part for part in parts if part is not None])
    return state


def build_language_model(
    config: DualARConfig,
    semantic: range | None,
    state: Mapping[str, Tensor],
    *,
    source: str,
    dtype: torch.dtype = torch.float32,
    device: torch.device | None = None,
) -> DualAR:
    """A network in evaluation mode. Tensors that it does not have are left out, whatever they are.

    Raises ModelUnavailable if one is missing, or has another shape or no floating-point numbers; ``source`` is the
    file that the sentence names.
    """
    with shapes_only():
        network = DualAR(config, semantic)
    wanted = {name: shape for parameter in network.state_dict().items() for name, shape in _parts(*parameter)}
    if missing := [name for name in wanted if name not in state]:
        raise ModelUnavailable(f"{source} lacks {_some(missing)}.")
    wrong = [
        f"{name} is {tuple(state[name].shape)} instead of {tuple(shape)}"
        for name, shape in wanted.items()
        if state[name].shape != shape
    ]
    if wrong:
        raise ModelUnavailable(f"The sizes of {source} are not those of its configuration: {_some(wrong)}.")
    if integers := [name for name in wanted if not state[name].is_floating_point()]:
        raise ModelUnavailable(
            f"{source} has no floating-point numbers for {_some(integers)}; quantised weights are not supported."
        )
    tensors = {
        name: torch.cat([state[part] for part, _ in _parts(name, tensor)]).to(device, dtype, copy=True)
        for name, tensor in network.state_dict().items()
    }
    network.load_state_dict(tensors, assign=True)
    return network.eval().requires_grad_(False)


def _parts(name: str, tensor: Tensor) -> Iterator[tuple[str, torch.Size]]:
    """The original's tensors that one of ours is made of, one below the other."""
    if ".w13." not in name:
        yield name, tensor.shape
        return
    half = torch.Size((tensor.shape[0] // 2, *tensor.shape[1:]))
    yield name.replace(".w13.", ".w1."), half
    yield name.replace(".w13.", ".w3."), half


def _some(things: list[str]) -> str:
    rest = len(things) - SHOWN_NAMES
    return ", ".join(things[:SHOWN_NAMES]) + (f" and {rest} more" if rest > 0 else "")
