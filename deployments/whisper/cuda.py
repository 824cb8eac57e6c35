"""Makes the cuBLAS of the ``cuda`` extra visible to CTranslate2, which opens it by name when it first computes."""

import ctypes
import importlib.util
from pathlib import Path

LIBRARIES = ("libcublasLt.so.12", "libcublas.so.12")  # the second one needs the first


def preload_cublas() -> bool:
    """Load the libraries of the package ``nvidia-cublas-cu12`` into the process; False if it is not installed."""
    try:
        package = importlib.util.find_spec("nvidia.cublas.lib")
    except ModuleNotFoundError:
        return False
    for folder in (package.submodule_search_locations or ()) if package else ():
        files = [Path(folder) / name for name in LIBRARIES]
        if all(file.is_file() for file in files):
            for file in files:
                ctypes.CDLL(str(file), mode=ctypes.RTLD_GLOBAL)
            return True
    return False
