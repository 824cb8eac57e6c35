"""A model run by faster-whisper in every mode, and scored."""

import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from faster_whisper import BatchedInferencePipeline, WhisperModel
from numpy.typing import NDArray

from .results import WORD_TIMES, Result, Spread
from .speech import RATE, Utterance

Audio = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LongFile:
    """Audio with its (start, end, utterance) in order."""

    audio: Audio
    parts: list[tuple[float, float, Utterance]]

    @property
    def words(self) -> list[str]:
        """All that is said."""
        return [word for _, _, utterance in self.parts for word in utterance.text.split()]


def edits(hypothesis: list[str], reference: list[str]) -> int:
    """Word edit distance."""
    row = list(range(len(reference) + 1))
    for i, said in enumerate(hypothesis, 1):
        before, row[0] = row[:], i
        for j, meant in enumerate(reference, 1):
            row[j] = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (said != meant))
    return row[-1]


def words_of(segments: Iterable[Any]) -> list[str]:
    """Words of faster-whisper's segments."""
    return " ".join(segment.text for segment in segments).split()


def with_silence(utterance: Utterance, rng: random.Random) -> tuple[Audio, float]:
    """An utterance with 0.1-0.6 s of silence before and 0.1-0.5 s behind it; and where it starts."""
    before, after = int(rng.uniform(0.1, 0.6) * RATE), int(rng.uniform(0.1, 0.5) * RATE)
    return np.pad(utterance.wave * np.float32(0.6), (before, after)), before / RATE


class Recogniser:
    """One model; a single thread, so that the measured speed means something."""

    def __init__(self, folder: Path) -> None:
        self.model = WhisperModel(str(folder), device="cpu", compute_type="default", cpu_threads=1)
        self.batched = BatchedInferencePipeline(self.model)
        self.first_stamp: int = self.model.hf_tokenizer.token_to_id("<|0.00|>")

    def modes(self, beam: int) -> dict[str, Callable[[LongFile], Iterable[Any]]]:
        """Name -> transcription of a file of many utterances; greedy for ``beam`` 1."""
        plain: dict[str, Any] = {"language": "en", "beam_size": beam}
        fixed = {**plain, "condition_on_previous_text": False, "temperature": 0}
        batch = {**plain, "batch_size": 4}
        whole, batched = self.model.transcribe, self.batched.transcribe

        def one_clip_each(file: LongFile) -> Iterable[Any]:
            clips = [{"start": start - 0.2, "end": end + 0.2} for start, end, _ in file.parts]
            segments: Iterable[Any] = batched(file.audio, vad_filter=False, clip_timestamps=clips, **batch)[0]
            return segments

        return {
            "sequential": lambda f: whole(f.audio, **plain)[0],
            "sequential, no conditioning": lambda f: whole(f.audio, **fixed)[0],
            "sequential, no timestamps": lambda f: whole(f.audio, without_timestamps=True, **plain)[0],
            "sequential, word times": lambda f: whole(f.audio, word_timestamps=True, **fixed)[0],
            "batched, VAD": lambda f: batched(f.audio, **batch)[0],
            "batched, VAD, timestamps": lambda f: batched(f.audio, without_timestamps=False, **batch)[0],
            "batched, one clip each": one_clip_each,
        }

    def score_files(self, row: str, files: list[LongFile], beam: int) -> Iterator[Result]:
        """One result per mode; ``start``: of segments against the nearest true start."""
        seconds = sum(len(file.audio) for file in files) / RATE
        for mode, transcribe in self.modes(beam).items():
            begun, errors = time.monotonic(), []
            starts: list[float] = []
            for file in files:
                segments = list(transcribe(file))
                errors.append(edits(words_of(segments), file.words))
                starts += [min((s.start - start for start, _, _ in file.parts), key=abs) for s in segments]
            counts = [len(file.words) for file in files]
            yield Result(
                row,
                mode,
                beam,
                words=sum(counts),
                errors=sum(errors),
                exact=100 * errors.count(0) / len(errors),
                speed=seconds / (time.monotonic() - begun),
                worst=max(100 * wrong / count for wrong, count in zip(errors, counts, strict=True)),
                start=Spread.of(starts),
            )

    def score_utterances(self, row: str, bank: list[Utterance], beam: int) -> Iterator[Result]:
        """With and without timestamps, temperature 0; times are those of the timestamp tokens."""
        for mode, without in (("timestamps", False), ("no timestamps", True)):
            options = {"language": "en", "beam_size": beam, "temperature": 0, "without_timestamps": without}
            begun, errors, seconds = time.monotonic(), [], 0.0
            starts: list[float] = []
            ends: list[float] = []
            for number, utterance in enumerate(bank):
                audio, start = with_silence(utterance, random.Random(number))
                segments = list(self.model.transcribe(audio, **options)[0])
                errors.append(edits(words_of(segments), utterance.text.split()))
                seconds += len(audio) / RATE
                if len(segments) == 1 and segments[0].tokens[0] >= self.first_stamp:
                    starts.append((segments[0].tokens[0] - self.first_stamp) * 0.02 - start)
                    ends.append(segments[0].end - start - utterance.seconds)
            yield Result(
                row,
                mode,
                beam,
                words=sum(len(utterance.text.split()) for utterance in bank),
                errors=sum(errors),
                exact=100 * errors.count(0) / len(errors),
                speed=seconds / (time.monotonic() - begun),
                start=Spread.of(starts),
                end=Spread.of(ends),
            )

    def score_word_times(self, row: str, bank: list[Utterance]) -> Result:
        """Starts and ends of words in utterances whose text is right."""
        options = {"language": "en", "beam_size": 1, "temperature": 0, "word_timestamps": True}
        starts: list[float] = []
        ends: list[float] = []
        begun, right = time.monotonic(), 0
        for number, utterance in enumerate(bank):
            audio, offset = with_silence(utterance, random.Random(number))
            words = [word for s in self.model.transcribe(audio, **options)[0] for word in s.words]
            if utterance.times and [word.word.strip() for word in words] == utterance.text.split():
                right += 1
                starts += [w.start - offset - start for w, (start, _) in zip(words, utterance.times, strict=True)]
                ends += [w.end - offset - end for w, (_, end) in zip(words, utterance.times, strict=True)]
        speed = sum(utterance.seconds for utterance in bank) / (time.monotonic() - begun)
        exact = 100 * right / len(bank)
        return Result(
            row, WORD_TIMES, 1, len(starts), 0, exact, speed, start=Spread.of(starts), end=Spread.of(ends)
        )
