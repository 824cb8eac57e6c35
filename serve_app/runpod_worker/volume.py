"""Models that RunPod has put into the machine before it started: its cache of Hub repositories."""

from collections.abc import MutableMapping
from pathlib import Path

HUB_CACHE = Path("/runpod-volume/huggingface-cache/hub")
SWITCHES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


def use_hub_cache(environment: MutableMapping[str, str], cache: Path = HUB_CACHE) -> bool:
    """Read models of the Hub from the cache, if there is one, and download none. Whether there is one.

    Call before anything imports ``huggingface_hub``. What is set already stays: ``HF_HUB_OFFLINE=0`` lets models
    that are not in the cache be downloaded.
    """
    if not cache.is_dir():
        return False
    environment.setdefault("HF_HUB_CACHE", str(cache))
    for switch in SWITCHES:
        environment.setdefault(switch, environment.get(SWITCHES[0], "1"))
    return True
