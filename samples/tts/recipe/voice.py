"""The sample voice spoken by the engine that serves it, without a server around it."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from deployments.fish_speech.config import FishSpeechConfig
from deployments.fish_speech.engine import EncodedReference, FishSpeechEngine
from deployments.fish_speech.synthesizer import Synthesizer, Utterance
from deployments.fish_speech.text.script import script_of
from deployments.fish_speech.types import SamplingOptions

VOICE = Path(__file__).parents[1] / "voices" / "slt"


class SampleVoice:
    """A model folder, loaded. Use it in a ``with`` statement."""

    def __init__(self, folder: Path) -> None:
        self._config = FishSpeechConfig(source=str(folder))
        self._engine = FishSpeechEngine(folder, self._config)
        self._loop = asyncio.new_event_loop()
        self._synthesizer = self._loop.run_until_complete(self._start())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.run_until_complete(self._synthesizer.close())
        self._loop.close()
        self._engine.close()

    def speak(
        self, text: str, seed: int, temperature: float = 0.7, *, chunk_length: int = 200, reference: bool = False
    ) -> NDArray[np.float32]:
        """Float32 sound (samples,) at 16 kHz, all else at the defaults. ``temperature`` 0 is greedy, and is spoken
        without a penalty of repetitions.

        Raises RuntimeError if a segment did not end by itself.
        """
        references = self._references() if reference else ()
        utterance = self._utterance(text, seed, temperature, chunk_length, references)
        return self._loop.run_until_complete(self._spoken(utterance))

    def speak_all(self, seeds: Mapping[str, int]) -> dict[str, NDArray[np.float32]]:
        """What ``speak`` makes of each text with its seed; spoken at the same time, which takes less of it."""

        async def together() -> list[NDArray[np.float32]]:
            said = (self._utterance(text, seed, 0.7, 200, ()) for text, seed in seeds.items())
            return await asyncio.gather(*map(self._spoken, said))

        return dict(zip(seeds, self._loop.run_until_complete(together()), strict=True))

    def through_codec(self, sound: NDArray[np.float32]) -> NDArray[np.float32]:
        """A recording (samples,) encoded and decoded."""
        codes = self._engine.codec.encode(torch.from_numpy(sound))
        return self._engine.codec.decode(codes[None])[0].cpu().numpy()

    def _utterance(
        self, text: str, seed: int, temperature: float, chunk_length: int, references: tuple[EncodedReference, ...]
    ) -> Utterance:
        sampling = SamplingOptions(
            temperature=temperature,
            repetition_penalty=1.2 if temperature else 1.0,
            max_new_tokens=512,
            chunk_length=chunk_length,
        )
        return Utterance(script_of(text, self._engine.clean, chunk_length).pieces, references, sampling, seed)

    async def _start(self) -> Synthesizer:
        return Synthesizer(self._engine, self._config.engine)  # takes the loop that runs

    def _references(self) -> tuple[EncodedReference, ...]:
        recordings = [
            (path.with_suffix(".lab").read_text().strip(), path.read_bytes()) for path in VOICE.glob("*.wav")
        ]
        return self._engine.references(recordings)

    async def _spoken(self, utterance: Utterance) -> NDArray[np.float32]:
        parts: list[NDArray[np.float32]] = []
        async for sound in self._synthesizer.speak(utterance):
            parts.append(sound.samples)
            if sound.end and sound.end != "spoken":
                raise RuntimeError(f"{utterance.pieces} did not end by itself")
        return np.concatenate(parts)
