"""Streams of speech: the seed, and another replica that goes on."""

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from ray.exceptions import ActorDiedError

from deployments.calls import Calls
from deployments.fish_speech.types import Audio, Finished, SamplingOptions, SpeechEvent, SpeechRequest, Started
from serve_app.config.app import AppConfig
from serve_app.gateway.gateway import Gateway
from serve_app.gateway.model_index import ModelIndex
from tests.serve_app.gateway.replicas import Call, FakeStates

CONFIG = AppConfig.model_validate(
    {"models": [{"id": "voice", "family": "fish_speech", "config": {"source": "samples/tts/model"}}]}
)
SOUND = np.arange(100, dtype=np.float32) / 100


class Speaker:
    """Says ``SOUND`` in chunks of the given sizes, a list of sizes per call; 0 is the death of the replica."""

    def __init__(self, *chunks: list[int]) -> None:
        self.chunks = list(chunks)
        self.requests: list[SpeechRequest] = []
        self.speak = self

    def options(self, *, stream: bool) -> "Speaker":
        assert stream
        return self

    def remote(self, request: SpeechRequest, *references: Any) -> Call:
        self.requests.append(request)
        return Call(self._events(request, self.chunks.pop(0)))

    async def _events(self, request: SpeechRequest, sizes: list[int]) -> AsyncIterator[list[SpeechEvent]]:
        yield [Started(16_000, request.sampling.seed or 0, 1, 5)]
        begin = 0
        for size in sizes:
            if size == 0:
                raise ActorDiedError()
            yield [Audio(SOUND[begin : begin + size], begin)]
            begin += size
        yield [Finished(begin, 1)]


def gateway(speaker: Speaker) -> Gateway:
    return Gateway(ModelIndex.of(CONFIG), {"voice": Calls(speaker, "voice")}, FakeStates(None))


@pytest.mark.parametrize(
    "chunks",
    [
        [[100]],
        [[40, 60]],
        [[0], [100]],
        [[40, 0], [40, 60]],
        [[40, 0], [25, 75]],
        [[40, 0], [25, 0], [70, 30]],
        [[100, 0], [30, 70]],
    ],
)
async def test_a_dead_replica_is_not_heard(chunks: list[list[int]]) -> None:
    speaker = Speaker(*chunks)
    events = [event async for event in gateway(speaker).speak(SpeechRequest(text="hello"))]
    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Finished)
    sound = events[1:-1]
    assert all(isinstance(event, Audio) for event in sound)
    assert [event.begin for event in sound] == [0, *np.cumsum([len(event.samples) for event in sound])[:-1]]
    np.testing.assert_array_equal(np.concatenate([event.samples for event in sound]), SOUND)
    assert len(speaker.requests) == len(chunks)


async def test_every_attempt_has_the_same_seed() -> None:
    speaker = Speaker([0], [0], [100])
    _ = [event async for event in gateway(speaker).speak(SpeechRequest(text="hello"))]
    seeds = {request.sampling.seed for request in speaker.requests}
    assert len(seeds) == 1
    assert seeds != {None}
    assert all("seed" in request.sampling.model_fields_set for request in speaker.requests)


async def test_a_seed_of_the_client_is_kept() -> None:
    speaker = Speaker([100])
    request = SpeechRequest(text="hello", sampling=SamplingOptions(seed=7, temperature=0.5))
    _ = [event async for event in gateway(speaker).speak(request)]
    assert speaker.requests[0].sampling == request.sampling
