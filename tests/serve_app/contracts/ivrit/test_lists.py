"""Lists of files in one job of the ivrit worker: side by side, each with its own fate."""

import asyncio
import base64
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest

from deployments.errors import DeadlineExceeded, FetchFailed, ModelUnavailable, Overloaded
from deployments.whisper.types import Started, TranscriptionEvent, TranscriptionRequest
from serve_app.contracts import by_name
from serve_app.fields.audio import Upload
from tests.serve_app.contracts.ivrit.client import payload
from tests.serve_app.contracts.support import chunks_of, context_of, output_of
from tests.serve_app.http.stub import SCRIPT, SEGMENTS, StubGateway

IVRIT = by_name("ivrit")
BLOB = base64.b64encode(b"RIFF....WAVEfmt ").decode()


class Files(StubGateway):
    """Every URL has its own script."""

    def __init__(self, **scripts: Any) -> None:
        super().__init__()
        self.scripts = {f"https://example.com/{name}": script for name, script in scripts.items()}

    async def transcribe(
        self, request: TranscriptionRequest, upload: Upload | None = None
    ) -> AsyncGenerator[TranscriptionEvent, None]:
        one = StubGateway(self.scripts[request.url or ""])
        self.active += 1
        self.most_active = max(self.active, self.most_active)
        try:
            async with aclosing(one.transcribe(request, upload)) as events:
                async for event in events:
                    yield event
        finally:
            self.active -= 1
            self.closed += 1


async def test_a_list_of_files_of_which_one_fails() -> None:
    broken = (Started("en", 1.0, None), SEGMENTS[0], FetchFailed("example.com does not answer."))
    gateway = Files(a=SCRIPT, b=broken, c=SCRIPT)
    job_input = payload(url=list(gateway.scripts))
    items = await chunks_of(IVRIT, job_input, context_of(gateway))
    by_file: dict[int, list[dict[str, Any]]] = {0: [], 1: [], 2: []}
    for item in items:
        (entry,) = item.value
        assert entry["index"] == item.lane
        by_file[item.lane].append(entry)
    for good in (0, 2):
        assert [entry["type"] for entry in by_file[good]] == ["segments", "progress", "segments"]
    segment, failure = by_file[1]
    assert segment["type"] == "segments"
    assert failure == {"index": 1, "type": "error", "data": "example.com does not answer."}
    (error,) = [item for item in items if item.value[0]["type"] == "error"]
    assert error.start > 1e6
    assert error.end > error.start


async def test_a_list_of_one_is_a_list() -> None:
    output = await output_of(payload(blob=[BLOB]))
    assert [entry["index"] for (entry,) in output] == [0, 0, 0]


async def test_a_list_not_streamed() -> None:
    gateway = Files(a=SCRIPT, b=(FetchFailed("Nothing there."),))
    (whole,) = await output_of({**payload(url=list(gateway.scripts)), "streaming": False}, context_of(gateway))
    good, bad = whole["result"]
    assert [[segment["text"] for segment in group] for group in good] == [[segment.text] for segment in SEGMENTS]
    assert bad == {"index": 1, "error": "Nothing there."}


async def test_files_of_a_list_are_bounded_and_side_by_side() -> None:
    gate = asyncio.Event()
    gateway = Files(**{f"f{number}": (gate, *SCRIPT) for number in range(9)})
    task = asyncio.create_task(output_of(payload(url=list(gateway.scripts)), context_of(gateway)))
    async with asyncio.timeout(5):
        while gateway.active < 4:
            await asyncio.sleep(0.001)
    gate.set()
    output = await asyncio.wait_for(task, 5)
    assert gateway.most_active == 4
    assert sorted(entry["index"] for (entry,) in output) == sorted(list(range(9)) * 3)


async def test_a_file_of_a_list_waits_for_room() -> None:
    script: list[Any] = [Overloaded("Full.", retry_after_s=0.0)]
    gateway = Files(a=SCRIPT, b=script)
    task = asyncio.create_task(output_of(payload(url=list(gateway.scripts)), context_of(gateway)))
    async with asyncio.timeout(5):
        while gateway.closed < 3:
            await asyncio.sleep(0.001)
        script[:] = SCRIPT
        output = await task
    assert [entry["type"] for (entry,) in output if entry["index"] == 1] == ["segments", "progress", "segments"]
    assert len(output) == 6


@pytest.mark.parametrize(
    "script", [(Overloaded("Full.", retry_after_s=9),), (SEGMENTS[0], Overloaded("F.", retry_after_s=0))]
)
async def test_but_not_beyond_its_deadline_and_not_in_the_middle(script: Any) -> None:
    gateway = Files(a=script)
    with pytest.raises(Overloaded):
        await output_of(payload(url=list(gateway.scripts)), context_of(gateway, deadline=time.time() + 5))
    assert gateway.closed == 1


@pytest.mark.parametrize("error", [DeadlineExceeded("Late."), ModelUnavailable("Loading.")])
async def test_what_no_file_can_help_fails_the_whole_job(error: Exception) -> None:
    gate = asyncio.Event()  # never set: the others have to be stopped
    gateway = Files(a=(SEGMENTS[0], gate), b=(error,), c=(gate,))
    with pytest.raises(type(error)):
        await asyncio.wait_for(output_of(payload(url=list(gateway.scripts)), context_of(gateway)), 5)
    assert gateway.active == 0
