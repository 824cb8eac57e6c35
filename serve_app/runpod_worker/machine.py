"""What Ray is told of the machine. Ray's own guess sees the whole host where a container may use a part of it."""

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MIB = 1024**2
SMALLEST_STORE, LARGEST_STORE = 100 * MIB, 1024 * MIB  # Ray itself refuses less than 75 MiB
SHARED_MEMORY, DEVICES = Path("/dev/shm"), Path("/dev")  # noqa: S108 - its size is asked, nothing is put there


@dataclass(frozen=True, slots=True)
class Resources:
    """CPUs and GPUs by number, and the bytes of the object store."""

    cpus: int
    gpus: int
    store_bytes: int


def find(
    environment: Mapping[str, str] = os.environ, shared_memory: Path = SHARED_MEMORY, devices: Path = DEVICES
) -> Resources:
    """What RunPod says (``RUNPOD_CPU_COUNT``, ``RUNPOD_GPU_COUNT``), else what this process may use."""
    cpus = _count(environment.get("RUNPOD_CPU_COUNT")) or len(os.sched_getaffinity(0))
    gpus = _count(environment.get("RUNPOD_GPU_COUNT"))
    if gpus is None:
        gpus = _visible(environment.get("CUDA_VISIBLE_DEVICES"), devices)
    return Resources(cpus, gpus, _store_bytes(shared_memory))


def _count(text: str | None) -> int | None:
    return int(text) if text is not None and text.strip().isdecimal() else None


def _visible(chosen: str | None, devices: Path) -> int:
    if chosen is not None:
        named = [name.strip() for name in chosen.split(",")]
        ends = (place for place, name in enumerate(named) if name in ("", "-1", "NoDevFiles"))
        return next(ends, len(named))  # CUDA, too, reads no further
    return sum(1 for path in devices.glob("nvidia*") if re.fullmatch(r"nvidia\d+", path.name))


def _store_bytes(shared_memory: Path) -> int:
    """Half of the shared memory. Where that is too little, Ray keeps its store in a file instead."""
    try:
        free = shutil.disk_usage(shared_memory).free
    except OSError:
        free = 0
    return min(max(free // 2, SMALLEST_STORE), LARGEST_STORE)
