"""Bytes on their way from an entrance to a replica."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Upload:
    """Bytes of an uploaded file: uint8, one-dimensional."""

    data: NDArray[np.uint8]
