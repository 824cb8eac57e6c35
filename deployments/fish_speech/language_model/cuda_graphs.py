"""A step of fixed shapes, recorded once per size on a GPU and replayed: one launch instead of hundreds."""

import itertools
from collections.abc import Callable, Sequence

import torch

WARM_UPS = 2  # runs before a recording, in which libraries choose their kernels and take their memory

Step = Callable[[int, int], None]


class StepGraphs:
    """``step(batch, length)`` for every pair of ``batches`` and ``lengths``, as CUDA graphs in one memory pool.

    The step reads and writes the same tensors at every call, takes no value to the host, and may be run before it
    is needed: what it leaves in its tensors is set again before a request uses them.
    """

    def __init__(self, step: Step, batches: Sequence[int], lengths: Sequence[int]) -> None:
        self._step = step
        self._sizes = sorted(itertools.product(batches, lengths), reverse=True)  # the largest sets the pool's size
        self._graphs: dict[tuple[int, int], torch.cuda.CUDAGraph] = {}

    def record(self, on_progress: Callable[[float], None]) -> None:
        """Record all of them. Blocks, for about a second each; ``on_progress`` gets the share that is done."""
        pool = torch.cuda.graph_pool_handle()
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for number, (batch, length) in enumerate(self._sizes, 1):
                for _ in range(WARM_UPS):
                    self._step(batch, length)
                graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(graph, pool=pool, stream=stream):
                    self._step(batch, length)
                self._graphs[batch, length] = graph
                on_progress(number / len(self._sizes))
        torch.cuda.current_stream().wait_stream(stream)

    def __call__(self, batch: int, length: int) -> None:
        """The step, replayed if it was recorded."""
        graph = self._graphs.get((batch, length))
        if graph is None:
            self._step(batch, length)
        else:
            graph.replay()
