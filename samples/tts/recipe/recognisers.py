"""Two recognisers of different kinds: the sample recogniser, and PocketSphinx with a closed grammar."""

from collections.abc import Collection
from pathlib import Path
from typing import Protocol

import numpy as np
from faster_whisper import WhisperModel
from numpy.typing import NDArray
from pocketsphinx import Decoder, get_model_path

from samples.asr.recipe.vocabulary import WORDS

from .codec import SAMPLE_RATE

SAMPLE_RECOGNISER = Path(__file__).parents[2] / "asr" / "model"
#: Seconds of silence on both sides.
SILENCE = 0.2
#: Chosen on flite's own speech of texts that are in no table.
INSERTION_PENALTY = 0.01


class Recogniser(Protocol):
    """Something that hears words."""

    def hear(self, sound: NDArray[np.float32]) -> list[str]:
        """The words in ``sound`` (samples,), 16 kHz, between -1 and 1."""
        ...


def _framed(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    silence = np.zeros(int(SILENCE * SAMPLE_RATE), np.float32)
    return np.concatenate([silence, np.clip(sound, -0.99, 0.99), silence])


class SampleRecogniser:
    """``samples/asr/model``, greedy. It was trained on this voice, among others."""

    def __init__(self) -> None:
        self._model = WhisperModel(str(SAMPLE_RECOGNISER), device="cpu", compute_type="int8", cpu_threads=1)

    def hear(self, sound: NDArray[np.float32]) -> list[str]:
        """See ``Recogniser``."""
        segments, _ = self._model.transcribe(
            _framed(sound), language="en", beam_size=1, temperature=0, condition_on_previous_text=False
        )
        return " ".join(segment.text for segment in segments).split()


class PocketSphinx:
    """PocketSphinx with its English model, which was trained on people; any of ``words`` may follow each other."""

    def __init__(self, folder: Path, words: Collection[str] = WORDS) -> None:
        """Writes a dictionary and a grammar into ``folder``."""
        model = Path(get_model_path()) / "en-us"
        dictionary, grammar = folder / "words.dict", folder / "words.gram"
        every = (model / "cmudict-en-us.dict").read_text().splitlines(keepends=True)
        dictionary.write_text("".join(line for line in every if line.split()[0].partition("(")[0] in words))
        grammar.write_text(f"#JSGF V1.0;\ngrammar words;\npublic <text> = ({' | '.join(words)})+;\n")
        self._decoder = Decoder(
            hmm=str(model / "en-us"),
            dict=str(dictionary),
            jsgf=str(grammar),
            lm=None,
            bestpath=False,
            cmn="batch",
            wip=INSERTION_PENALTY,
            loglevel="FATAL",
        )

    def hear(self, sound: NDArray[np.float32]) -> list[str]:
        """See ``Recogniser``."""
        self._decoder.start_utt()
        self._decoder.process_raw((_framed(sound) * 32_767).astype(np.int16).tobytes(), full_utt=True)
        self._decoder.end_utt()
        found = self._decoder.hyp()
        words = found.hypstr.split() if found else []
        return [word.partition("(")[0] for word in words if word[0] not in "<["]
