"""The shipped recogniser, run by faster-whisper alone: none of our code between the file and the words."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faster_whisper import BatchedInferencePipeline, WhisperModel
from tokenizers import Tokenizer

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "samples" / "asr"
ENTRIES: list[dict[str, Any]] = json.loads((SAMPLE / "testset" / "transcripts.json").read_text())
SINGLES = [entry for entry in ENTRIES if "segments" not in entry]
LONGS = [entry for entry in ENTRIES if "segments" in entry]
#: Other versions and processors round differently: what the test set lists, and this part of the words more.
TOLERANCE = 0.08

Transcribe = Callable[[str], Iterable[Any]]


@pytest.fixture(scope="module")
def model() -> WhisperModel:
    return WhisperModel(str(SAMPLE / "model"), device="cpu", compute_type="int8", cpu_threads=1)


@pytest.fixture(scope="module")
def modes(model: WhisperModel) -> dict[str, Transcribe]:
    """The greedy modes of the test set's error lists."""
    whole, batched = model.transcribe, BatchedInferencePipeline(model).transcribe
    plain: dict[str, Any] = {"language": "en", "beam_size": 1}
    fixed = {**plain, "condition_on_previous_text": False, "temperature": 0}
    return {
        "sequential": lambda path: whole(path, **plain)[0],
        "sequential, no conditioning": lambda path: whole(path, **fixed)[0],
        "sequential, no timestamps": lambda path: whole(path, without_timestamps=True, **plain)[0],
        "sequential, word times": lambda path: whole(path, word_timestamps=True, **fixed)[0],
        "batched, VAD": lambda path: batched(path, batch_size=4, **plain)[0],
        "batched, VAD, timestamps": lambda path: batched(path, batch_size=4, without_timestamps=False, **plain)[0],
    }


def heard(segments: Iterable[Any]) -> list[str]:
    return " ".join(segment.text for segment in segments).split()


def edits(said: list[str], meant: list[str]) -> int:
    row = list(range(len(meant) + 1))
    for i, word in enumerate(said, 1):
        before, row[0] = row[:], i
        for j, other in enumerate(meant, 1):
            row[j] = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (word != other))
    return row[-1]


def test_folder_is_small_and_complete() -> None:
    sizes = {path.name: path.stat().st_size for path in (SAMPLE / "model").iterdir()}
    assert set(sizes) == {
        *("config.json", "model.bin", "preprocessor_config.json", "tokenizer.json", "vocabulary.json"),
    }
    assert sum(sizes.values()) < 5_000_000
    assert json.loads((SAMPLE / "model" / "preprocessor_config.json").read_text())["chunk_length"] == 10


def test_every_word_is_one_token() -> None:
    listed = json.loads((ROOT / "samples" / "vocabulary.json").read_text())
    tokenizer = Tokenizer.from_file(str(SAMPLE / "model" / "tokenizer.json"))
    for word in [*listed["digits"], *listed["others"]]:
        assert len(tokenizer.encode(f" {word}").ids) == 1, word


def test_vocabulary_holds_the_speech_models_words() -> None:
    listed = json.loads((ROOT / "samples" / "vocabulary.json").read_text())
    spoken = (Path(__file__).parent / "speech_words.txt").read_text().split()
    assert set(spoken) <= {*listed["digits"], *listed["others"]}


def test_texts_are_of_known_words() -> None:
    listed = json.loads((ROOT / "samples" / "vocabulary.json").read_text())
    known = {*listed["digits"], *listed["others"]}
    for entry in ENTRIES:
        assert set(entry["text"].split()) <= known, entry["file"]
        assert (SAMPLE / "testset" / entry["file"]).is_file()


@pytest.mark.parametrize("beam", [1, 5])
def test_single_utterances(model: WhisperModel, beam: int) -> None:
    wrong = listed = words = 0
    for entry in SINGLES:
        segments, info = model.transcribe(str(SAMPLE / "testset" / entry["file"]), beam_size=beam)
        assert info.language == "en"
        meant = entry["text"].split()
        wrong += edits(heard(segments), meant)
        listed += entry["int8_errors"][f"sequential, beam {beam}"]
        words += len(meant)
    assert wrong <= listed + TOLERANCE * words


@pytest.mark.parametrize(
    "mode", [mode.removesuffix(", beam 1") for mode in LONGS[0]["int8_errors"] if "beam 1" in mode]
)
def test_files_of_many_utterances(modes: dict[str, Transcribe], mode: str) -> None:
    wrong = listed = words = 0
    for entry in LONGS[:2]:
        meant = entry["text"].split()
        wrong += edits(heard(modes[mode](str(SAMPLE / "testset" / entry["file"]))), meant)
        listed += entry["int8_errors"][f"{mode}, beam 1"]
        words += len(meant)
    assert wrong <= listed + TOLERANCE * words


def test_word_times(model: WhisperModel) -> None:
    """Half of the words start and end within a tenth of a second of the truth."""
    errors: list[float] = []
    for entry in SINGLES:
        path = str(SAMPLE / "testset" / entry["file"])
        words = [w for s in model.transcribe(path, beam_size=1, word_timestamps=True)[0] for w in s.words or []]
        if [word.word.strip() for word in words] == [word for word, _, _ in entry["words"]]:
            for word, (_, start, end) in zip(words, entry["words"], strict=True):
                errors += [abs(word.start - start), abs(word.end - end)]
    assert len(errors) > 60
    assert np.median(errors) < 0.1


@pytest.mark.parametrize("sound", ["silence", "noise"])
def test_what_is_no_speech_has_no_words(model: WhisperModel, sound: str) -> None:
    noise = np.random.default_rng(1).standard_normal(3 * 16_000).astype(np.float32)
    audio = noise * np.float32(0.1 if sound == "noise" else 0)
    assert heard(model.transcribe(audio, language="en", beam_size=1)[0]) == []
