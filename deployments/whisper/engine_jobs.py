"""What the scheduler queues and the engine runs: windows of audio and the jobs on them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from faster_whisper.tokenizer import Tokenizer
from numpy.typing import NDArray


@dataclass(slots=True, eq=False)
class Window:
    """Up to one window of audio. ``features``: log-mel, float32 (mels, frames). ``encoding``: encoder output of
    shape (1500, width), kept if the window may be needed again.
    """

    features: NDArray[np.float32]
    keep: bool = False
    encoding: NDArray[Any] | None = None

    @property
    def frames(self) -> int:
        """Mel frames of 10 ms."""
        return int(self.features.shape[1])


@dataclass(frozen=True, slots=True)
class Sampling:
    """Parameters that hold for a whole batch of ``Generate``."""

    temperature: float
    beam_size: int
    best_of: int
    patience: float
    length_penalty: float
    repetition_penalty: float
    no_repeat_ngram_size: int
    max_length: int
    suppress_blank: bool
    suppress_tokens: tuple[int, ...]
    max_initial_timestamp_index: int


@dataclass(slots=True, eq=False)
class Detect:
    """Find a window's language. Result: language code -> probability."""

    window: Window

    @property
    def key(self) -> object:
        """Jobs with equal keys may share a batch."""
        return "detect"


@dataclass(slots=True, eq=False)
class Generate:
    """Decode a window after ``prompt`` (token ids). Result: ``Generated``."""

    window: Window
    prompt: tuple[int, ...]
    start: int  # position of <|startoftranscript|> in the prompt
    timestamps: bool
    sampling: Sampling

    @property
    def key(self) -> object:
        """Languages, tasks and the prompt's words may differ within a batch; its layout may not."""
        return (self.sampling, self.timestamps, self.start, len(self.prompt))


@dataclass(slots=True, eq=False)
class AlignWords:
    """Find word times in faster-whisper's segment dictionaries, which get a list ``words`` each. Result: None."""

    window: Window
    tokenizer: Tokenizer
    segments: list[dict[str, Any]]
    punctuations: tuple[str, str]
    last_speech: float

    @property
    def key(self) -> object:
        """Rows run one by one: the alignment's start sequence and its rules are per request."""
        return "align"


@dataclass(slots=True, eq=False)
class Score:
    """Find the probability of each of ``tokens`` (text tokens only). Result: list of probabilities."""

    window: Window
    tokenizer: Tokenizer
    tokens: list[int]

    @property
    def key(self) -> object:
        """Like ``AlignWords``."""
        return "score"


EngineJob = Detect | Generate | AlignWords | Score


@dataclass(frozen=True, slots=True)
class Generated:
    """Decoded tokens, their mean log-probability, and the probability that the window holds no speech."""

    tokens: list[int]
    avg_logprob: float
    no_speech_prob: float
