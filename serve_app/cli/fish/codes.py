"""Codes in files of NumPy's: int32 of shape (codebooks, frames)."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deployments.errors import InvalidRequest

Codes = NDArray[np.int32]


def read_codes(path: Path) -> Codes:
    """The codes in a file. Raises InvalidRequest if they are none."""
    try:
        with path.open("rb") as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
    except ValueError as error:
        raise InvalidRequest(f"{path} is no file of NumPy's .npy format, or is damaged.") from error
    if array.ndim != 2 or not np.issubdtype(array.dtype, np.integer) or not array.size:
        raise InvalidRequest(
            f"{path} holds {array.dtype} of shape {array.shape}; codes are integers of shape (codebooks, frames)."
        )
    return array.astype(np.int32)


def write_codes(path: Path, codes: Codes) -> None:
    """Write a file, and its folder if it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:  # np.save would add an ending
        np.lib.format.write_array(file, np.ascontiguousarray(codes, np.int32), allow_pickle=False)
