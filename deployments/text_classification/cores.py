"""The cores of a CPU, shared out between the batches that are being computed."""

import contextlib
import threading
from collections.abc import Iterator

import torch


class Cores:
    """Small batches side by side are computed faster than one after the other on all cores. So a batch gets all
    cores if it is alone, and its share, at least one, if it is not.
    """

    def __init__(self, cores: int) -> None:
        self._cores = cores
        self._running = 0
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def share(self) -> Iterator[int]:
        """The number of threads that PyTorch uses in the calling thread, within the block."""
        with self._lock:
            self._running += 1
            threads = max(1, self._cores // self._running)
        torch.set_num_threads(threads)  # for the calling thread only, since OpenMP counts so
        try:
            yield threads
        finally:
            with self._lock:
                self._running -= 1
