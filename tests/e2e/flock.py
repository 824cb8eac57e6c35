"""Many jobs at once, and what has to be true of them when all is over, whatever died in between."""

import asyncio
import base64
import http.server
import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.serving import AUDIO

TEXTS = {"Good morning.": "neutral", "The Zorites are vermin, all of them.": "hate"}
AUDIO_BASE64 = base64.b64encode((AUDIO / "utt01.wav").read_bytes()).decode()
PAUSE_S = 0.2
SENDERS = 4


async def until(condition: Callable[[], Any], seconds: float = 60) -> None:
    """Poll until the condition holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.05)


class _Receiver(http.server.BaseHTTPRequestHandler):
    received: list[tuple[str, dict[str, Any]]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.received.append((self.headers["webhook-id"], body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def receiver() -> Iterator[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    """A receiver of webhooks: its URL, and ids and bodies of what it got."""
    received: list[tuple[str, dict[str, Any]]] = []
    handler = type("Receiver", (_Receiver,), {"received": received})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/", received
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Flock:
    """Jobs that classify and jobs that transcribe in a stream, with both kinds of webhooks."""

    url: str
    hook: str
    received: list[tuple[str, dict[str, Any]]]
    classify: str = "classify"
    transcribe: str = "transcribe"
    sent: dict[str, tuple[str, str | None]] = field(default_factory=dict)  # id -> endpoint, label
    streamed: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))

    async def send(self, transcriptions: int, classifications: int) -> None:
        """Send them all, the longer ones first, by some senders at once, so that jobs come faster than they are
        done. One whose answer is lost is sent again with the same key.
        """
        longer = [(self.transcribe, number) for number in range(transcriptions)]
        jobs = iter([*longer, *((self.classify, number) for number in range(classifications))])

        async def send_on(client: httpx.AsyncClient) -> None:
            for endpoint, number in jobs:
                await self._send(client, endpoint, number)

        async with self._client() as client, asyncio.TaskGroup() as group:
            for _ in range(SENDERS):
                group.create_task(send_on(client))

    async def reach(self, count: int, sending: asyncio.Task[None]) -> None:
        """Wait until so many have been accepted, and some of them wait or are being worked on."""
        while len(self.sent) < count or not await self._in_flight():
            if sending.done():
                await sending
                assert len(self.sent) >= count
                assert await self._in_flight(), "all jobs were done before anything could befall them"
            await asyncio.sleep(0.01)

    async def _in_flight(self) -> int:
        """How many jobs wait or are being worked on."""
        async with self._client() as client:
            states = [
                await self._asked(client, "GET", f"/v2/{e}/health") for e in (self.classify, self.transcribe)
            ]
        return sum(health["jobs"]["inQueue"] + health["jobs"]["inProgress"] for health in states)

    async def _send(self, client: httpx.AsyncClient, endpoint: str, number: int) -> None:
        if endpoint == self.transcribe:
            label = None
            job_input: dict[str, Any] = {
                "model": "sample-asr",
                "streaming": True,
                "transcribe_args": {"blob": AUDIO_BASE64, "language": "en"},
                "webhook_url": self.hook,
                "recording_id": f"recording-{number}",
            }
        else:
            text, label = list(TEXTS.items())[number % len(TEXTS)]
            job_input = {"prompt": text}
        body = {"input": job_input, "webhook": self.hook}
        key = {"idempotency-key": f"{id(self)}-{endpoint}-{number}"}
        answer = await self._asked(client, "POST", f"/v2/{endpoint}/run", json=body, headers=key)
        self.sent[answer["id"]] = endpoint, label

    async def _asked(self, client: httpx.AsyncClient, method: str, path: str, **request: Any) -> Any:
        """The answer, however often one has to ask while the server is away."""
        until = time.monotonic() + 120
        while True:
            try:
                answer = await client.request(method, path, **request)
                if answer.status_code == 200:
                    return answer.json()
                away = answer.status_code >= 500 or "json" not in answer.headers.get("content-type", "")
                assert away or answer.status_code == 429, answer.text  # Serve's proxy speaks plain text
            except httpx.TransportError:
                pass
            assert time.monotonic() < until, path
            await asyncio.sleep(PAUSE_S)

    async def streams(self) -> None:
        """Read the streams of all transcriptions to their ends."""
        async with self._client() as client:
            ids = [job_id for job_id, (endpoint, _) in self.sent.items() if endpoint == self.transcribe]
            await asyncio.gather(*(self._stream(client, job_id) for job_id in ids))

    async def _stream(self, client: httpx.AsyncClient, job_id: str) -> None:
        while True:
            page = await self._asked(client, "GET", f"/v2/{self.transcribe}/stream/{job_id}")
            self.streamed[job_id] += [item["output"] for item in page["stream"]]
            if page["status"] not in ("IN_QUEUE", "IN_PROGRESS"):
                return

    async def ended(self) -> dict[str, dict[str, Any]]:
        """All jobs when they are over; asked for one after the other, since asking is work for the server, too."""
        async with self._client() as client:
            return dict([await self._ended(client, job_id) for job_id in self.sent])

    async def _ended(self, client: httpx.AsyncClient, job_id: str) -> tuple[str, dict[str, Any]]:
        endpoint, _ = self.sent[job_id]
        while True:
            job = await self._asked(client, "GET", f"/v2/{endpoint}/status/{job_id}")
            if job["status"] not in ("IN_QUEUE", "IN_PROGRESS"):
                return job_id, job
            await asyncio.sleep(PAUSE_S)

    def check(self, jobs: dict[str, dict[str, Any]]) -> None:
        """Every job is completed, with the right output; nothing was streamed twice."""
        assert jobs.keys() == self.sent.keys()
        for job_id, (_, label) in self.sent.items():
            job = jobs[job_id]
            assert job["status"] == "COMPLETED", job
            if label is not None:
                assert job["output"]["label"] == label
                continue
            entries = [entry for chunk in job["output"] for entry in chunk]
            spoken = " ".join(entry["data"][0]["text"] for entry in entries if entry["type"] == "segments")
            assert spoken.split() == ["two", "two", "three", "seven", "five"]
            streamed = [json.dumps(chunk) for chunk in self.streamed.get(job_id, ())]
            assert len(streamed) == len(set(streamed))
            assert [chunk for chunk in map(json.dumps, job["output"]) if chunk in streamed] == streamed

    async def check_webhooks(self, seconds: float = 60) -> None:
        """Every webhook arrives at least once, those of a job in order."""
        until = time.monotonic() + seconds
        while missing := self._missing():
            assert time.monotonic() < until, f"{len(missing)} webhooks are missing: {missing[:3]}"
            await asyncio.sleep(PAUSE_S)
        firsts = dict(reversed(self.received))  # the first one of a key wins
        order: dict[str, list[str]] = defaultdict(list)
        seen: set[str] = set()
        for key, _ in self.received:
            if key not in seen and "recording_id" in firsts[key]:
                order[firsts[key]["recording_id"]].append(firsts[key]["status"])
            seen.add(key)
        assert all(statuses == ["transcribing", "completed"] for statuses in order.values()), order

    def _missing(self) -> list[str]:
        got = {body.get("id") for _, body in self.received if body.get("status") == "COMPLETED"}
        told = {(body.get("recording_id"), body["status"]) for _, body in self.received}
        recordings = range(sum(label is None for _, label in self.sent.values()))
        wanted = {(f"recording-{n}", status) for n in recordings for status in ("transcribing", "completed")}
        return [*(self.sent.keys() - got), *(f"{name}: {status}" for name, status in wanted - told)]

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, timeout=60, limits=httpx.Limits(max_connections=40))
