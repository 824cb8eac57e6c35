"""What a job costs beside the direct call: the same texts, the same model, by turns, in one run.

``runsync`` writes the job, has a runner lease it, writes its end and reads it; each write is on the disk before it
is answered.
"""

import itertools
import random
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from benchmarks.serving import save, server

ROUNDS, CALLS = 5, 100
LEVELS = (1, 32)
WORDS = ("the", "green", "door", "and", "small", "coffee", "please", "turn", "light", "on")


def _direct(client: httpx.Client, text: str) -> None:
    client.post("/v1/classify", json={"input": text}).raise_for_status()


def _runsync(client: httpx.Client, text: str) -> None:
    answer = client.post("/v2/classify/runsync", json={"input": {"prompt": text}}).raise_for_status().json()
    if answer["status"] != "COMPLETED":
        raise RuntimeError(answer)


def _run_and_status(client: httpx.Client, text: str) -> None:
    """What a client does that polls: run, then status until it is over."""
    job = client.post("/v2/classify/run", json={"input": {"prompt": text}}).raise_for_status().json()
    while (found := client.get(f"/v2/classify/status-sync/{job['id']}").json())["status"] != "COMPLETED":
        if found["status"] == "FAILED":
            raise RuntimeError(found)


def _measure(
    client: httpx.Client, call: Callable[[httpx.Client, str], None], clients: int
) -> tuple[list[float], float]:
    """Latencies in ms, and calls per second."""
    texts = itertools.count()

    def one(_: int) -> float:
        text = " ".join(random.choices(WORDS, k=8)) + f" {next(texts)}"
        begin = time.perf_counter()
        call(client, text)
        return (time.perf_counter() - begin) * 1_000

    with ThreadPoolExecutor(clients) as pool:
        begin = time.perf_counter()
        found = list(pool.map(one, range(CALLS * (1 if clients == 1 else 4))))
        return found, len(found) / (time.perf_counter() - begin)


def main() -> None:
    """Measure, print, save."""
    ways = {"direct": _direct, "runsync": _runsync, "run and status-sync": _run_and_status}
    results: dict[str, Any] = {}
    with server("sample-classifier", jobs=True) as (url, _):
        limits = httpx.Limits(max_connections=64)
        with httpx.Client(base_url=url, timeout=120, limits=limits) as client:
            for call in ways.values():
                _measure(client, call, 1)
            for clients in LEVELS:
                rounds: dict[str, list[tuple[list[float], float]]] = {name: [] for name in ways}
                for _ in range(ROUNDS):
                    for name, call in ways.items():
                        rounds[name].append(_measure(client, call, clients))
                results[f"{clients} clients"] = {name: _summary(found) for name, found in rounds.items()}
    for level, found in results.items():
        print(level, found)
    save("jobs", {"calls": CALLS, "rounds": ROUNDS, "results": results})


def _summary(rounds: list[tuple[list[float], float]]) -> dict[str, float]:
    latencies = sorted(ms for found, _ in rounds for ms in found)
    return {
        "p50_ms": round(statistics.median(latencies), 1),
        "p99_ms": round(latencies[int(len(latencies) * 0.99)], 1),
        "per_s": round(statistics.median(rate for _, rate in rounds), 1),
    }


if __name__ == "__main__":
    main()
