"""Views become tensors: the only part that reads the weights."""

from collections import defaultdict
from collections.abc import Mapping

import torch

from deployments.text_classification.conversion.container import CheckpointContainer
from deployments.text_classification.conversion.records import View
from deployments.text_classification.conversion.refusal import ConversionRefused, shown

MOST_SHARING = 2  # bytes of all tensors per byte of the file


def read_tensors(container: CheckpointContainer, views: Mapping[str, View]) -> dict[str, torch.Tensor]:
    """Tensors of their own memory, contiguous, of the type that the file has.

    Raises ConversionRefused for storages that are missing, damaged or of another length, for tensors that share
    so much memory that they need far more than the file, and for infinities and NaN.
    """
    needed = sum(view.bytes for view in views.values())
    if needed > MOST_SHARING * container.size:
        raise ConversionRefused(f"The tensors need {needed} bytes, but the file has {container.size}.")
    by_key = defaultdict(list)
    for name, view in views.items():
        by_key[view.storage.key].append((name, view))
    tensors = {}
    for key, sharing in by_key.items():
        content = container.read(f"data/{key}", sharing[0][1].storage.bytes)
        for name, view in sharing:
            if view.storage.bytes != len(content):
                raise ConversionRefused(f"The file names two lengths for the storage {key}.")
            flat = torch.frombuffer(content, dtype=view.storage.dtype)
            part = flat.as_strided(view.shape, view.stride, view.offset)
            alone = len(sharing) == 1 and part.is_contiguous() and part.numel() == flat.numel()
            tensors[name] = part if alone else part.clone(memory_format=torch.contiguous_format)
    broken = [name for name, tensor in tensors.items() if not bool(tensor.isfinite().all())]
    if broken:
        raise ConversionRefused(f"These tensors hold something else than numbers: {shown(broken)}.")
    return {name: tensors[name] for name in views}
