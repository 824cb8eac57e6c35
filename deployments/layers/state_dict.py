"""Checkpoint files of the original: read without executing anything from them, and checked tensor by tensor."""

import logging
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, TypeVar

import torch
from pydantic import BaseModel, ValidationError
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from deployments.errors import ModelUnavailable
from deployments.layers.weight_norm import fold_weight_norm

logger = logging.getLogger("ray.serve")

SHOWN_NAMES = 3
SizeT = TypeVar("SizeT", bound=BaseModel)
ModuleT = TypeVar("ModuleT", bound=nn.Module)


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """The tensors of a ``.pth`` or ``.ckpt`` file on the CPU, by name; mapped, not read, where the format permits.

    Training files are understood: what lies under ``state_dict`` is taken, and if there is a ``generator``, only
    what it has, by its names. Raises ModelUnavailable if the file is missing, damaged, or holds objects.
    """
    if not path.is_file():
        raise ModelUnavailable(f"The model lacks the file {path.name}.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except UnpicklingError as error:
        logger.warning("%s is not read: %s", path, error)
        raise ModelUnavailable(
            f"{path.name} is not a file of weights, or holds objects beside its tensors, which are not read; save "
            "its state dict alone."
        ) from error
    except Exception as error:  # of any kind: the reader trusts what the file says of itself
        logger.warning("%s cannot be read: %s", path, error)
        raise ModelUnavailable(f"{path.name} is damaged, or no file of weights. The log says more.") from error
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping):
        raise ModelUnavailable(f"{path.name} holds no state dict.")
    state = {str(name): tensor for name, tensor in content.items() if isinstance(tensor, Tensor)}
    return beneath(state, "generator.") or state


@contextmanager
def shapes_only() -> Iterator[None]:
    """Modules made within have parameters without memory, and without the random values they would begin with."""
    with torch.device("meta"), _NotRandom():
        yield


class _NotRandom(TorchFunctionMode):
    """Leaves tensors as they are. Drawing numbers for a tensor without memory makes torch load its compiler, which
    takes seconds.
    """

    def __torch_function__(
        self, func: Any, types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if func in (nn.init.normal_, nn.init.uniform_, nn.init.kaiming_uniform_):
            return args[0] if args else given["tensor"]
        return func(*args, **given)


def build(
    module: type[ModuleT], *arguments: object, state: Mapping[str, Tensor], source: Path, prefix: str = ""
) -> ModuleT:
    """``module(*arguments)`` in evaluation mode with float32 copies of the tensors of ``state`` below ``prefix``.

    Weight normalisation is folded. Tensors that the module does not have are left out. Raises ModelUnavailable if
    one is missing or has another shape or type; ``source`` is the file that the sentence names.
    """
    with shapes_only():
        network = module(*arguments)
    folded = fold_weight_norm(state)
    wanted = {prefix + name: tensor for name, tensor in network.state_dict().items()}
    if missing := [name for name in wanted if name not in folded]:
        raise ModelUnavailable(f"{source.name} lacks {_some(missing)}.")
    misshapen = [
        f"{name} is {tuple(folded[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if folded[name].shape != tensor.shape
    ]
    if misshapen:
        raise ModelUnavailable(f"The sizes of {source.name} are not those expected: {_some(misshapen)}.")
    if odd := [name for name in wanted if not folded[name].is_floating_point()]:
        raise ModelUnavailable(f"{source.name} has integers or others for {_some(odd)}.")
    copies = {name: folded[name].detach().to(torch.float32, copy=True).contiguous() for name in wanted}
    network.load_state_dict(beneath(copies, prefix), assign=True)
    return network.eval().requires_grad_(False)


def read_size(folder: Path, name: str, size: type[SizeT]) -> SizeT:
    """Sizes as the file ``name`` in ``folder`` has them; the released ones, which are the defaults, without it.

    Raises ModelUnavailable for a file that says something else.
    """
    path = folder / name
    if not path.is_file():
        return size()
    try:
        return size.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "all of it"
        raise ModelUnavailable(f"{name} has no sizes of a codec: {where}: {first['msg']}.") from error
    except OSError as error:
        raise ModelUnavailable(f"{name} cannot be read: {error.strerror}.") from error


def beneath(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors below a prefix, by the rest of their names."""
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def _some(things: Iterable[str]) -> str:
    listed = list(things)
    rest = len(listed) - SHOWN_NAMES
    return ", ".join(listed[:SHOWN_NAMES]) + (f" and {rest} more" if rest > 0 else "")
