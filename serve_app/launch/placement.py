"""Why a replica has no process yet, as far as the cluster says it."""

import json
import re
from collections.abc import Iterator

_RESOURCES = re.compile(r"Resources required for each replica: (.+), total resources available: (.+?)\.(?:\s|$)")
_SECONDS = re.compile(r"taken more than (\d+)s to be scheduled")
_HELP = {
    "CPU": "ray_actor_options: {num_cpus: 0} under `deployments` makes a CPU no condition",
    "GPU": "a fraction, such as ray_actor_options: {num_gpus: 0.5} under `deployments`, lets replicas share one",
}


def waits_to_be_scheduled(message: str) -> bool:
    """Whether Serve says that a replica has been without a process for some time."""
    return _SECONDS.search(message) is not None


def why_it_waits(message: str) -> str:
    """What Serve's message about such a replica means.

    It names what the replica asks for only if there is less of it; else the machine is slow, or still preparing.
    """
    lacking = list(_lacking(message))
    if not lacking:
        seconds = _SECONDS.search(message)
        return f"has waited {seconds[1] if seconds else 'some'} s for Ray to start its process; Ray goes on trying"
    asked = " and ".join(f"{amount:g} {name}, of which {left:g} are left" for name, amount, left in lacking)
    helps = [_HELP[name] for name, _, _ in lacking if name in _HELP]
    return "; ".join([f"waits for a place: a replica asks for {asked}", *helps])


def _lacking(message: str) -> Iterator[tuple[str, float, float]]:
    """Name, amount and what is left of every resource that a replica asks for and does not get.

    Nothing where Serve does not know, or asks for several bundles, of which it does not say what is left.
    """
    match = _RESOURCES.search(message)
    try:
        required, available = (json.loads(match[1]), json.loads(match[2])) if match else (None, None)
    except ValueError:
        return
    if isinstance(required, dict) and isinstance(available, dict):
        for name, amount in required.items():
            left = available.get(name, 0.0)  # Ray leaves out what is all in use
            if left < amount:
                yield name, amount, left
