"""Long files by URL: the replica's memory, and how much had been decoded when the first segment left.

Three inputs: two hours of speech as 16 kHz WAV, an hour of video (MP4, AAC), and a WAV of one gigabyte
(48 kHz stereo). Speech is the shipped test files, one after another.
"""

import argparse
import functools
import http.server
import json
import tempfile
import threading
import time
import wave
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import psutil
from numpy.typing import NDArray

from benchmarks.serving import AUDIO, replica, save, server
from media.decode import AudioDecoder


def speech() -> NDArray[np.int16]:
    """All long test files, 16 kHz."""
    parts = []
    for path in sorted(AUDIO.glob("*_long.wav")):
        with AudioDecoder(path) as audio:
            parts += list(audio)
    return (np.concatenate(parts) * 32_767).astype("<i2")


def write_wav(path: Path, seconds: float, rate: int, channels: int) -> None:
    unit = np.repeat(np.repeat(speech(), rate // 16_000), channels)
    frames = round(seconds * rate) * channels
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, rate, 0, "NONE", ""))
        while frames > 0:
            file.writeframes(unit[:frames].tobytes())
            frames -= len(unit)


def write_video(path: Path, seconds: float) -> None:
    unit = speech().astype(np.float32) / 32_768
    with av.open(str(path), "w") as container:
        picture = container.add_stream("mpeg4", rate=1)
        picture.width, picture.height, picture.pix_fmt = 320, 240, "yuv420p"
        sound = container.add_stream("aac", rate=16_000)
        sound.layout = "mono"
        for number in range(int(seconds)):
            frame = av.VideoFrame.from_ndarray(np.full((240, 320, 3), number % 255, np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 1)
            container.mux(picture.encode(frame))
            for start in range(number * 16_000, (number + 1) * 16_000, 1_000):
                block = np.take(unit, range(start, start + 1_000), mode="wrap")[None]
                frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
                frame.sample_rate, frame.pts = 16_000, start
                container.mux(sound.encode(frame))
        container.mux([*picture.encode(None), *sound.encode(None)])


def run(url: str, source: str, process: psutil.Process) -> dict[str, Any]:
    """One streamed transcription of a URL, with the replica watched."""
    worker = replica(process)
    idle = peak = worker.memory_info().rss
    stop = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not stop.wait(0.05):
            peak = max(peak, worker.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    first, cpu_first, segments, text = 0.0, 0.0, 0, ""
    begin, cpu = time.perf_counter(), sum(worker.cpu_times()[:2])
    try:
        fields = {"url": (None, source), "stream": (None, "true"), "response_format": (None, "verbose_json")}
        options = {"beam_size": (None, "1"), "temperature": (None, "0")}
        request: Any = {"files": {**fields, **options}}
        with (
            httpx.Client(timeout=3_600) as client,
            client.stream("POST", f"{url}/v1/audio/transcriptions", **request) as answer,
        ):
            for line in answer.iter_lines():
                if not line.startswith("data: {"):
                    continue
                event = json.loads(line.removeprefix("data: "))
                if "error" in event:
                    raise RuntimeError(event["error"])
                segments += "delta" in event
                text = event.get("text", text)
                if not first:
                    first, cpu_first = time.perf_counter() - begin, sum(worker.cpu_times()[:2]) - cpu
    finally:
        stop.set()
        watcher.join()
    wall, cpu = time.perf_counter() - begin, sum(worker.cpu_times()[:2]) - cpu
    return {
        "segments": segments,
        "words": len(text.split()),
        "first_segment_s": round(first, 2),
        "total_s": round(wall, 1),
        "first_segment_share_of_cpu": round(cpu_first / cpu, 4),
        "idle_mb": round(idle / 2**20),
        "peak_growth_mb": round((peak - idle) / 2**20),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="a smaller share of every length, for a trial")
    scale = parser.parse_args().scale
    results = {}
    with tempfile.TemporaryDirectory() as folder, server(max_audio_s=3 * 3600) as (url, process):
        handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
        files = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=files.serve_forever, daemon=True).start()
        for name, write in (
            ("warm-up.wav", lambda path: write_wav(path, 60, 16_000, 1)),
            ("two-hours.wav", lambda path: write_wav(path, 7_200 * scale, 16_000, 1)),
            ("one-hour.mp4", lambda path: write_video(path, 3_600 * scale)),
            ("one-gigabyte.wav", lambda path: write_wav(path, 2**30 / 192_000 * scale, 48_000, 2)),
        ):
            path = Path(folder) / name
            write(path)
            row = run(url, f"http://127.0.0.1:{files.server_port}/{name}", process)
            row["file_mb"] = round(path.stat().st_size / 2**20)
            path.unlink()
            print(name, row)
            results[name] = row
        files.shutdown()
    if scale == 1.0:
        del results["warm-up.wav"]
        save("long_audio", {"options": {"beam_size": 1, "temperature": 0}, "files": results})


if __name__ == "__main__":
    main()
