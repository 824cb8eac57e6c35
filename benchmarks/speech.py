"""Speech over HTTP beside the same networks run as the original server runs them, in one run on the same cores.

The original speaks one request at a time, and sends a segment's sound when all of the segment has been spoken.
That is what the same server does with one slot and chunks as long as a segment. Both are asked for the same texts
with the same seeds, in turns. Sound is streamed as raw samples.
"""

import argparse
import itertools
import json
import random
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from benchmarks.serving import ROOT, save, server

LEVELS = (1, 4, 16)
RATE, FRAME = 16_000, 640  # of the sample model: Hz, samples
ENGINES: dict[str, dict[str, Any]] = {
    "Antiphon": {"slots": 16},
    "one at a time": {"slots": 1, "first_chunk_frames": 512, "chunk_frames": 512},
}


def workload(count: int) -> list[str]:
    """Texts of eight to twenty words that the sample voice knows, none of them twice."""
    vocabulary = json.loads((ROOT / "samples" / "vocabulary.json").read_text())
    words = [*vocabulary["digits"], *vocabulary["others"]]
    dice = random.Random(1)
    return [" ".join(dice.choices(words, k=dice.randint(8, 20))) for _ in range(count)]


def speak(client: httpx.Client, url: str, text: str, seed: int) -> dict[str, float]:
    """One request: seconds until the first sample and the last one, seconds of sound."""
    begin = time.perf_counter()
    first = received = 0.0
    body = {"text": text, "seed": seed, "format": "pcm", "streaming": True}
    with client.stream("POST", f"{url}/v1/tts", json=body) as response:
        response.raise_for_status()
        for data in response.iter_bytes():
            first = first or time.perf_counter() - begin
            received += len(data) / 2 / RATE
    return {"first_s": first, "total_s": time.perf_counter() - begin, "audio_s": received}


def measure(url: str, texts: list[str], clients: int) -> dict[str, float]:
    """Frames per second and latencies with so many clients at work, and how fast health answers meanwhile."""
    health: list[float] = []
    over = threading.Event()

    def probe(client: httpx.Client) -> None:
        while not over.wait(0.05):
            begin = time.perf_counter()
            client.get(f"{url}/v1/health").raise_for_status()
            health.append(time.perf_counter() - begin)

    limits = httpx.Limits(max_connections=clients + 1, max_keepalive_connections=clients + 1)
    with httpx.Client(timeout=600, limits=limits) as client, ThreadPoolExecutor(clients + 1) as pool:
        begin = time.perf_counter()
        probing = pool.submit(probe, client)
        jobs = [pool.submit(speak, client, url, text, seed) for seed, text in enumerate(texts)]
        rows = [job.result() for job in jobs]
        wall = time.perf_counter() - begin
        over.set()
        probing.result()
    audio = sum(row["audio_s"] for row in rows)
    return {
        "frames_per_s": audio * RATE / FRAME / wall,
        "real_time_streams": audio / wall,
        "first_p50_ms": 1000 * statistics.median(row["first_s"] for row in rows),
        "total_p50_ms": 1000 * statistics.median(row["total_s"] for row in rows),
        "health_p50_ms": 1000 * statistics.median(health),
        "health_p99_ms": 1000 * sorted(health)[int(0.99 * (len(health) - 1))],
        "health_max_ms": 1000 * max(health),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="shorter or longer runs")
    options = parser.parse_args()
    counts = {clients: max(clients, int(max(6, 2 * clients) * options.scale)) for clients in LEVELS}
    texts = workload(max(counts.values()))
    rows: dict[str, dict[int, list[dict[str, float]]]] = {}
    common = {"queue_requests": 64, "queue_chars": 1_000_000}
    base = {"device": "cpu", "threads": 1}
    with (
        server("sample-tts", **common, engine={**base, **ENGINES["Antiphon"]}) as (ours, _),
        server("sample-tts", **common, engine={**base, **ENGINES["one at a time"]}) as (theirs, _),
    ):
        for clients, _ in itertools.product(LEVELS, range(options.rounds)):
            for name, url in zip(ENGINES, (ours, theirs), strict=True):
                measure(url, texts[:1], 1)
                row = measure(url, texts[: counts[clients]], clients)
                rows.setdefault(name, {}).setdefault(clients, []).append(row)
                print(f"{clients:3d} clients  {name:15s} {row['frames_per_s']:6.0f} frames/s  "
                      f"first {row['first_p50_ms']:6.0f} ms  all {row['total_p50_ms']:6.0f} ms  "
                      f"health p99 {row['health_p99_ms']:4.0f} ms", flush=True)  # fmt: skip
    summary = {name: {str(c): _median(r) for c, r in levels.items()} for name, levels in rows.items()}
    save("speech", {
        "engines": ENGINES,
        "requests": {str(clients): count for clients, count in counts.items()},
        "summary": summary,
        "ratio_frames_per_s": {
            str(c): round(summary["Antiphon"][str(c)]["frames_per_s"]
                          / summary["one at a time"][str(c)]["frames_per_s"], 2)
            for c in LEVELS
        },
        "rounds": {name: {str(c): r for c, r in levels.items()} for name, levels in rows.items()},
    })  # fmt: skip


def _median(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {key: round(statistics.median(r[key] for r in rounds), 1) for key in rounds[0]}


if __name__ == "__main__":
    main()
