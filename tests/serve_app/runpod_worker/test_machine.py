"""What the worker reads from the machine."""

from pathlib import Path

import pytest

from serve_app.runpod_worker import machine
from serve_app.runpod_worker.machine import use_hub_cache


@pytest.mark.parametrize(
    ("environment", "cpus", "gpus"),
    [
        ({"RUNPOD_CPU_COUNT": "7", "RUNPOD_GPU_COUNT": "2", "CUDA_VISIBLE_DEVICES": "0"}, 7, 2),
        ({"RUNPOD_CPU_COUNT": "many", "CUDA_VISIBLE_DEVICES": "1,3"}, None, 2),
        ({"CUDA_VISIBLE_DEVICES": ""}, None, 0),
        ({"CUDA_VISIBLE_DEVICES": "0,-1,2"}, None, 1),
        ({"RUNPOD_GPU_COUNT": "0"}, None, 0),
        ({}, None, 3),
    ],
)
def test_the_machine(environment: dict[str, str], cpus: int | None, gpus: int, tmp_path: Path) -> None:
    for name in ("nvidia0", "nvidia1", "nvidia12", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    found = machine.find(environment, tmp_path, tmp_path)
    assert found.gpus == gpus
    assert found.cpus == cpus if cpus else found.cpus >= 1
    assert 100 * 2**20 <= found.store_bytes <= 2**30
    assert machine.find({}, tmp_path / "missing", tmp_path).store_bytes == 100 * 2**20


def test_models_that_runpod_has_put_there_are_used(tmp_path: Path) -> None:
    environment: dict[str, str] = {}
    assert not use_hub_cache(environment, tmp_path / "missing")
    assert not environment
    assert use_hub_cache(environment, tmp_path)
    assert environment == {"HF_HUB_CACHE": str(tmp_path), "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    chosen = {"HF_HUB_OFFLINE": "0"}
    use_hub_cache(chosen, tmp_path)
    assert (chosen["HF_HUB_OFFLINE"], chosen["TRANSFORMERS_OFFLINE"]) == ("0", "0")
