"""Where PyTorch computes, and in which type."""

import torch

from deployments.errors import ModelUnavailable


def choose_device(name: str) -> torch.device:
    """The device of a configuration: ``cpu``, ``cuda``, ``cuda:1``, or ``auto`` for a GPU if there is one.

    Raises ModelUnavailable for a GPU that is not there.
    """
    cuda = torch.cuda.is_available()
    if name == "auto":
        return torch.device("cuda" if cuda else "cpu")
    if name != "cpu" and not cuda:
        raise ModelUnavailable(f"The configuration asks for {name}, but PyTorch finds no GPU.")
    return torch.device(name)


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """The type of a configuration; ``auto`` is bfloat16 on a GPU and float32 on a CPU."""
    if name == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[name]
