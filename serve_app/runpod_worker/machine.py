"""What the worker finds on the machine: CPUs and GPUs for Ray, and models that RunPod has put there before."""

import os
import re
import shutil
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

MIB = 1024**2
SMALLEST_STORE, LARGEST_STORE = 100 * MIB, 1024 * MIB  # Ray itself refuses less than 75 MiB
SHARED_MEMORY, DEVICES = Path("/dev/shm"), Path("/dev")  # noqa: S108 - its size is asked, nothing is put there
HUB_CACHE = Path("/runpod-volume/huggingface-cache/hub")
OFFLINE_SWITCHES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


@dataclass(frozen=True, slots=True)
class Resources:
    """CPUs and GPUs by number, and the bytes of the object store."""

    cpus: int
    gpus: int
    store_bytes: int


def find(
    environment: Mapping[str, str] = os.environ, shared_memory: Path = SHARED_MEMORY, devices: Path = DEVICES
) -> Resources:
    """What RunPod says (``RUNPOD_CPU_COUNT``, ``RUNPOD_GPU_COUNT``), else what this process may use. Ray's own
    guess sees the whole host where a container may use a part of it.
    """
    cpus = _count(environment.get("RUNPOD_CPU_COUNT")) or len(os.sched_getaffinity(0))
    gpus = _count(environment.get("RUNPOD_GPU_COUNT"))
    if gpus is None:
        gpus = _visible(environment.get("CUDA_VISIBLE_DEVICES"), devices)
    return Resources(cpus, gpus, _store_bytes(shared_memory))


def use_hub_cache(environment: MutableMapping[str, str], cache: Path = HUB_CACHE) -> bool:
    """Read models of the Hub from RunPod's cache, if there is one, and download none. Whether there is one.

    Call before anything imports ``huggingface_hub``. What is set already stays: ``HF_HUB_OFFLINE=0`` lets models
    that are not in the cache be downloaded.
    """
    if not cache.is_dir():
        return False
    environment.setdefault("HF_HUB_CACHE", str(cache))
    for switch in OFFLINE_SWITCHES:
        environment.setdefault(switch, environment.get(OFFLINE_SWITCHES[0], "1"))
    return True


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
