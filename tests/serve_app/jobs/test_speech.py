"""Jobs that speak: what is kept of them, and speech that goes on where a dead runner left it."""

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest

from media.encode import FORMATS, encode
from serve_app.contracts.fish_speech.input import seed_of
from serve_app.jobs.options import JobOptions
from serve_app.jobs.protocol import JobRequest
from tests.media.sound import streamed_file
from tests.serve_app.http import speech_stub
from tests.serve_app.http.speaking import SpeakingGateway
from tests.serve_app.http.speech_stub import RATE, tone
from tests.serve_app.jobs.support import Site, site_of

TEXT = "A rather long text of a job. " * 4


@pytest.fixture
def gateway() -> SpeakingGateway:
    return SpeakingGateway()


async def submitted(site: Site, **fields: Any) -> Any:
    return await site.service.submit("speech", JobRequest({"text": TEXT, **fields}, JobOptions()))


async def test_a_file(tmp_path: Path, gateway: SpeakingGateway) -> None:
    async with site_of(tmp_path, gateway=gateway) as site:
        job = await submitted(site, format="mp3")
        output = (await site.end(job)).output
        assert base64.b64decode(output["audio"]) == encode(tone(gateway.spoken), "mp3", RATE)
        assert output["seed"] == seed_of(job.id)


@pytest.mark.parametrize("kind", FORMATS)
async def test_a_dead_runners_speech_goes_on(
    tmp_path: Path, gateway: SpeakingGateway, monkeypatch: pytest.MonkeyPatch, kind: Any
) -> None:
    gate = asyncio.Event()
    gateway.hindrances = {12: gate}
    async with site_of(tmp_path, gateway=gateway) as site:
        job = await submitted(site, format=kind, streaming=True)
        first = (await site.service.stream("speech", job.id, 10)).chunks
        assert first[0]["begin"] == 0
        site.kill(site.runners[0])
        gate.set()
        monkeypatch.setattr(speech_stub, "CHUNK", 3_333)  # its sound comes in other pieces now
        site.start_runner("second")
        done = await site.end(job)
        assert (done.status, done.worker) == ("COMPLETED", "second")
        assert [one["begin"] for one in done.output[1:]] == [one["end"] for one in done.output[:-1]]
        first_try, second_try = gateway.speech_requests
        assert first_try.sampling == second_try.sampling
        file = b"".join(base64.b64decode(one["audio_chunk"]) for one in done.output)
        assert file == streamed_file([tone(second_try)], kind, RATE)


async def test_another_try_says_the_same(tmp_path: Path, gateway: SpeakingGateway) -> None:
    gateway.hindrances = {3: ZeroDivisionError("secret")}
    async with site_of(tmp_path, gateway=gateway, attempts=1) as site:
        job = await submitted(site)
        assert (await site.end(job)).status == "FAILED"
        gateway.hindrances = {}
        await site.service.retry("speech", job.id)
        assert (await site.end(job)).output["seed"] == seed_of(job.id)


async def test_cancelling_stops_the_speech(tmp_path: Path, gateway: SpeakingGateway) -> None:
    gateway.hindrances = {2: asyncio.Event()}
    async with site_of(tmp_path, gateway=gateway) as site:
        job = await submitted(site)
        async with asyncio.timeout(10):
            while not gateway.speaking:
                await asyncio.sleep(0.001)
            await site.service.cancel("speech", job.id)
            while gateway.speaking:
                await asyncio.sleep(0.001)
        assert (await site.service.get("speech", job.id)).status == "CANCELLED"
