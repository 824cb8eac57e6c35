"""What a full server answers, and how soon: 429s while every place is taken and both cores are busy."""

import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx

from benchmarks.serving import AUDIO, save, server

PLACES = 4
REFUSALS = 100
LONG = (AUDIO / "utt12_long.wav").read_bytes()
SHORT = (AUDIO / "utt01.wav").read_bytes()


def main() -> None:
    with server(queue_requests=PLACES) as (url, _), httpx.Client(timeout=600) as http:
        route = f"{url}/v1/audio/transcriptions"
        full = threading.Event()
        accepted: list[int] = []
        full.set()

        def keep_full() -> None:
            """One of the places: a long file, again and again."""
            while full.is_set():
                accepted.append(http.post(route, files={"file": ("a.wav", LONG)}).status_code)

        latencies, others, waits = [], 0, []
        with ThreadPoolExecutor(PLACES) as pool:
            for _ in range(PLACES):
                pool.submit(keep_full)
            while http.get(f"{url}/readyz").json()["models"]["sample-asr"]["active_requests"] < PLACES:
                time.sleep(0.05)
            for attempt in range(REFUSALS + 5):
                begin = time.perf_counter()
                answer = http.post(route, files={"file": ("a.wav", SHORT)})
                elapsed = time.perf_counter() - begin
                if answer.status_code != 429:
                    others += 1  # one of the long files had just ended
                elif attempt >= 5:
                    latencies.append(elapsed * 1000)
                    waits.append(int(answer.headers["retry-after"]))
            full.clear()
    # The keepers race with the short requests for a place that has just become free.
    refused = [code for code in accepted if code == 429]
    result = {
        "places": PLACES,
        "refusals": len(latencies),
        "p50_ms": round(statistics.median(latencies), 1),
        "p99_ms": round(statistics.quantiles(latencies, n=100)[-1], 1),
        "retry_after_s": [min(waits), max(waits)],
        "accepted_and_completed": len(accepted) - len(refused) + others,
        "failed": len([code for code in accepted if code not in (200, 429)]),
    }
    print(result)
    save("overload", result)


if __name__ == "__main__":
    main()
