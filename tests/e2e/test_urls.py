"""Audio by URL: what is fetched, what is refused, and memory that does not follow the length."""

import functools
import http.server
import statistics
import threading
import wave
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from media.decode import AudioDecoder
from tests.e2e.conftest import Server
from tests.serving import AUDIO, WEB

ROUTE = "/v1/audio/transcriptions"
RATE = 16_000


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files of one folder, and redirects to wherever the path says."""

    def do_GET(self) -> None:
        if self.path.startswith("/redirect/"):
            self.send_response(302)
            self.send_header("location", self.path.removeprefix("/redirect/"))
            self.send_header("content-length", "0")
            self.end_headers()
            return
        super().do_GET()

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def web(files: Path) -> Iterator[str]:
    """Base URL of a file server on this machine (which the test configuration allows)."""
    handler = functools.partial(Handler, directory=str(files))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


def post(server: Server, url: str, **fields: str) -> httpx.Response:
    return WEB.post(server.url + ROUTE, files={"url": (None, url)}, data=fields, timeout=300)


def speech(name: str = "utt01.wav") -> NDArray[np.float32]:
    with AudioDecoder(AUDIO / name) as audio:
        return np.concatenate(list(audio))


def write_video(path: Path, samples: NDArray[np.float32]) -> None:
    """An MP4 with a moving picture and the samples as AAC."""
    with av.open(str(path), "w") as container:
        picture = container.add_stream("mpeg4", rate=5)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream("aac", rate=RATE)
        sound.layout = "mono"
        for number in range(len(samples) * 5 // RATE + 1):
            image = np.full((48, 64, 3), number * 7 % 255, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 5)
            container.mux(picture.encode(frame))
        for start in range(0, len(samples), 1_024):
            block = samples[start : start + 1_024][None]
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = RATE, start
            container.mux(sound.encode(frame))
        container.mux([*picture.encode(None), *sound.encode(None)])


def test_a_url_instead_of_a_file(server: Server, web: str, files: Path) -> None:
    (files / "a.wav").write_bytes((AUDIO / "utt01.wav").read_bytes())
    for url in (f"{web}/a.wav", f"{web}/redirect/{web}/a.wav"):
        assert post(server, url).json()["text"] == "two two three seven five"


def test_the_sound_of_a_video(server: Server, web: str, files: Path) -> None:
    write_video(files / "film.mp4", speech())
    assert post(server, f"{web}/film.mp4").json()["text"] == "two two three seven five"


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("file:///etc/passwd", "http"),
        ("ftp://example.com/a.wav", "http"),
        ("http://169.254.169.254/latest/meta-data", "public internet"),
        ("http://10.0.0.1/a.wav", "public internet"),
        ("http://[::1]/a.wav", "public internet"),
        ("http://0.0.0.0/a.wav", "public internet"),
        ("http://127.0.0.2/a.wav", "public internet"),
        ("{web}/redirect/file:///etc/passwd", "http"),
        ("{web}/redirect/http://127.0.0.2/a.wav", "public internet"),
        ("{web}/redirect/http://169.254.169.254/", "public internet"),
        ("{web}/nothing-here.wav", "404"),
        ("no url at all", "url"),
    ],
)
def test_urls_that_are_refused(server: Server, web: str, url: str, sentence: str) -> None:
    answer = post(server, url.format(web=web))
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert sentence in error["message"].lower()
    assert error["param"] == "url"
    assert "root:" not in answer.text


def test_both_or_neither_source(server: Server, web: str) -> None:
    neither = WEB.post(server.url + ROUTE, files={"model": (None, "whisper-1")})
    both = WEB.post(server.url + ROUTE, files={"file": ("a.wav", b"x" * 100), "url": (None, f"{web}/a.wav")})
    assert neither.status_code == both.status_code == 400


def write_long(path: Path, minutes: float) -> int:
    """Speech here and there, for so many minutes, as 16-bit WAV; how often there is speech."""
    pause = np.zeros(60 * RATE, np.float32)
    stretch = (np.concatenate([speech(), pause]) * 32_767).astype("<i2").tobytes()
    count = int(minutes * 60 * RATE * 2 / len(stretch))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        for _ in range(count):
            file.writeframes(stretch)
    return count


def test_memory_does_not_follow_the_length(server: Server, web: str, files: Path) -> None:
    """Forty minutes: what the replica holds at the end is what it held at the start, spikes of batches apart."""
    options = {"response_format": "verbose_json", "temperature": "0.0", "beam_size": "1"}
    count = write_long(files / "long.wav", 40)
    post(server, f"{web}/a.wav", **options).raise_for_status()
    replica = psutil.Process(server.replicas("sample-asr")[0])
    idle = replica.memory_info().rss
    seen: list[int] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.05):
            seen.append(replica.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        answer = post(server, f"{web}/long.wav", **options).json()
    finally:
        stop.set()
        watcher.join()
    assert len(answer["segments"]) >= count
    assert answer["duration"] == pytest.approx(40 * 60, abs=65)
    assert max(seen) - idle < 300 * 1024**2
    third = len(seen) // 3
    assert statistics.median(seen[-third:]) - statistics.median(seen[third:-third]) < 50 * 1024**2
