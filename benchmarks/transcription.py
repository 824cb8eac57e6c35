"""Served throughput beside faster-whisper in process: same model, same options, same cores, one run.

Systems take turns within each round, so that a machine whose speed drifts is fair to all of them. Throughput
is audio seconds per wall second over a fixed list of files, each of which is unique (its gain differs).
"""

import argparse
import io
import statistics
import time
import wave
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from faster_whisper import BatchedInferencePipeline, WhisperModel

from benchmarks.serving import AUDIO, RESULTS, ROOT, save, server

SHORT = [f"utt{i:02d}.wav" for i in range(1, 10)]
LONG = [f"utt{i}_long.wav" for i in (10, 11, 12)]
OPTIONS = {"language": "en", "beam_size": 5}
LEVELS = (1, 8, 32)


def workload(count: int) -> list[tuple[bytes, float]]:
    """WAV files and their seconds: three short ones, one long one, and so on."""
    dice = np.random.default_rng(1)
    files = []
    for number in range(count):
        name = LONG[number // 4 % 3] if number % 4 == 3 else SHORT[number % 9]
        with wave.open(str(AUDIO / name)) as source:
            frames = np.frombuffer(source.readframes(source.getnframes()), "<i2")
        buffer = io.BytesIO()
        with wave.open(buffer, "wb") as target:
            target.setparams((1, 2, 16_000, 0, "NONE", ""))
            target.writeframes((frames * dice.uniform(0.6, 1.0)).astype("<i2").tobytes())
        files.append((buffer.getvalue(), len(frames) / 16_000))
    return files


def measure(one: Callable[[bytes], Any], files: list[tuple[bytes, float]], clients: int) -> dict[str, float]:
    """Audio seconds per second and latencies, with so many clients at work."""
    latencies = []

    def timed(data: bytes) -> None:
        begin = time.perf_counter()
        one(data)
        latencies.append(time.perf_counter() - begin)

    begin = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(timed, [data for data, _ in files]))
    wall = time.perf_counter() - begin
    return {
        "audio_s_per_s": sum(seconds for _, seconds in files) / wall,
        "p50_s": statistics.median(latencies),
        "p95_s": statistics.quantiles(latencies, n=20)[-1],
    }


def faster_whisper(model: str, compute_type: str, clients: int) -> Iterator[tuple[str, Callable[[bytes], Any]]]:
    """The library's two ways, with its threads set as suits the number of clients."""
    workers, threads = (1, 2) if clients == 1 else (2, 1)
    whisper = WhisperModel(
        model, device="cpu", compute_type=compute_type, num_workers=workers, cpu_threads=threads
    )

    def sequential(data: bytes) -> None:
        list(whisper.transcribe(io.BytesIO(data), vad_filter=True, **OPTIONS)[0])

    def batched(data: bytes) -> None:
        pipeline = BatchedInferencePipeline(whisper)  # holds state of its request
        list(pipeline.transcribe(io.BytesIO(data), batch_size=8, without_timestamps=False, **OPTIONS)[0])

    yield "faster-whisper, sequential", sequential
    yield "faster-whisper, batched", batched


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=str(ROOT / "samples/asr/model"), help="CTranslate2 folder")
    parser.add_argument("--compute-type", default="int8")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=32)
    parser.add_argument("--plot", type=Path, default=RESULTS / "transcription.png")
    options = parser.parse_args()
    files = workload(options.requests)
    rows: dict[str, dict[int, list[dict[str, float]]]] = {}
    engine = {
        "device": "cpu", "compute_type": options.compute_type, "workers": 2, "threads": 1,
        "max_batch_windows": 1, "max_wait_ms": 0,
    }  # fmt: skip
    with server(source=options.model, engine=engine) as (url, _), httpx.Client(timeout=600) as http:

        def served(data: bytes) -> None:
            answer = http.post(f"{url}/v1/audio/transcriptions", files={"file": ("a.wav", data)}, data=OPTIONS)
            answer.raise_for_status()

        for clients in LEVELS:
            systems = [("Antiphon", served), *faster_whisper(options.model, options.compute_type, clients)]
            for _, one in systems:
                one(files[0][0])
            for _ in range(options.rounds):
                for name, one in systems:
                    row = measure(one, files, clients)
                    rows.setdefault(name, {}).setdefault(clients, []).append(row)
                    print(f"{clients:3d} clients  {name:28s} {row['audio_s_per_s']:6.1f} audio s/s")
        overhead = added_latency(served, options, files)
    summary = {name: {str(c): _median(rounds) for c, rounds in levels.items()} for name, levels in rows.items()}
    result = {
        "audio_s": sum(seconds for _, seconds in files),
        "options": {**OPTIONS, "compute_type": options.compute_type},
        "summary": summary,
        "added_latency_ms": overhead,
        "rounds": {name: {str(c): r for c, r in levels.items()} for name, levels in rows.items()},
    }
    save("transcription", result)
    plot(summary, options.plot)


def _median(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {key: round(statistics.median(r[key] for r in rounds), 3) for key in rounds[0]}


def added_latency(served: Callable[[bytes], Any], options: Any, files: list[tuple[bytes, float]]) -> float:
    """Milliseconds that the way through the server adds to our own engine's time, one client, short files."""
    from benchmarks.in_process import Engine

    short = [data for data, seconds in files if seconds < 5][:8]
    differences = []
    with Engine(Path(options.model), options.compute_type) as alone:
        for data in [*short[:2], *short * 3]:
            times = []
            for one in (served, alone):
                begin = time.perf_counter()
                one(data)
                times.append(time.perf_counter() - begin)
            differences.append(times[0] - times[1])
    milliseconds = statistics.median(differences[2:]) * 1000
    print(f"one client: {milliseconds:.1f} ms more than the engine alone")
    return round(milliseconds, 1)


def plot(summary: dict[str, dict[str, dict[str, float]]], path: Path) -> None:
    """Throughput by number of clients."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.5, 3.5))
    for offset, (name, levels) in enumerate(summary.items()):
        places = [index + (offset - 1) * 0.26 for index in range(len(LEVELS))]
        bars = axes.bar(places, [levels[str(c)]["audio_s_per_s"] for c in LEVELS], 0.24, label=name)
        axes.bar_label(bars, fmt="%.0f", fontsize=8)
    axes.set_xticks(range(len(LEVELS)), [f"{c} client{'s' if c > 1 else ''}" for c in LEVELS])
    axes.set_ylabel("audio seconds per second")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
