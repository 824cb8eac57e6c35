"""The sample voice as the tests use it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deployments.fish_speech.config import FishSpeechConfig
from deployments.fish_speech.engine import FishSpeechEngine
from deployments.fish_speech.synthesizer import Sound, Synthesizer, Utterance
from deployments.fish_speech.text.script import script_of
from deployments.fish_speech.types import SamplingOptions

ROOT = Path(__file__).parents[3]
MODEL = ROOT / "samples" / "tts" / "model"
VOICE = ROOT / "samples" / "tts" / "voices" / "slt"


def config(**changes: Any) -> FishSpeechConfig:
    """The sample voice's configuration; ``engine`` keys given besides are merged in."""
    engine = {"device": "cpu", "threads": 1, **changes.pop("engine", {})}
    return FishSpeechConfig.model_validate({"source": str(MODEL), "engine": engine, **changes})


def engine(**changes: Any) -> FishSpeechEngine:
    """The sample voice, loaded."""
    return FishSpeechEngine(MODEL, config(**changes))


def recordings() -> list[tuple[str, bytes]]:
    """Transcripts and files of the shipped voice."""
    return [
        (path.with_suffix(".lab").read_text().strip(), path.read_bytes()) for path in sorted(VOICE.glob("*.wav"))
    ]


def utterance(
    loaded: FishSpeechEngine, text: str, seed: int = 0, *, voice: bool = False, **sampling: Any
) -> Utterance:
    """A text to be spoken, in the shipped voice or without one."""
    options = SamplingOptions(**sampling)
    references = loaded.references(recordings()) if voice else ()
    return Utterance(script_of(text, loaded.clean, options.chunk_length).pieces, references, options, seed)


@contextlib.asynccontextmanager
async def synthesizing(loaded: FishSpeechEngine, **changes: Any) -> AsyncIterator[Synthesizer]:
    """A synthesizer with the settings of ``config``."""
    synthesizer = Synthesizer(loaded, config(engine=changes).engine)
    try:
        yield synthesizer
    finally:
        await synthesizer.close()


async def sounds(synthesizer: Synthesizer, said: Utterance) -> list[Sound]:
    """All of an utterance."""
    async with contextlib.aclosing(synthesizer.speak(said)) as heard:
        return [sound async for sound in heard]


def joined(heard: list[Sound]) -> NDArray[np.float32]:
    """Its samples."""
    return np.concatenate([sound.samples for sound in heard])


async def until_true(condition: Any) -> None:
    """Poll; the test's own time limit ends it."""
    while not condition():
        await asyncio.sleep(0.001)
