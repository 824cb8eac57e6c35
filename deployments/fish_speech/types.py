"""The vocabulary of speech synthesis: what every entrance asks for, and what comes back.

Requests are validated models, so that a wrong value is refused with the same sentence wherever it came in.
Results are events, in this order: one ``Started``; any number of ``Audio``; one ``Finished``.
"""

import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

LARGEST_SEED = 2**63 - 1
LONGEST_BEFORE = 1_000  # characters
TextFormat = Literal["plain", "markdown", "ssml"]
NumbersLanguage = Literal["en"]
VoiceId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9 _-]{0,253}[A-Za-z0-9_-])?$")]
Title = Annotated[str, StringConstraints(max_length=255)]
Tag = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class SamplingOptions(_Frozen):
    """How frames are drawn. Names and meaning are fish-speech's; what a request leaves out is the model's default.

    ``temperature`` 0 takes the most probable code. ``max_new_tokens`` bounds the frames of one text segment, 0
    means as many as the context has room for. ``chunk_length`` is the longest segment in bytes of UTF-8, 0 speaks
    the text in one. A ``seed`` makes speech repeatable; None draws one.
    """

    temperature: float = Field(0.7, ge=0, le=2)
    top_p: float = Field(0.7, gt=0, le=1)
    repetition_penalty: float = Field(1.2, ge=0.9, le=2)
    max_new_tokens: int = Field(1_024, ge=0, le=32_768)
    chunk_length: int = Field(200, ge=0, le=10_000)
    seed: int | None = Field(None, ge=0, le=LARGEST_SEED)


class SpeechRequest(_Frozen):
    """One text to be spoken.

    The voice is that of the reference recordings, which travel beside the request as uint8 bytes of audio files,
    one for each transcript of ``reference_texts``; else that of ``voice``, an id of the voice library; else the
    model's default. ``voice`` wins over references. ``speaker`` is a name that a model of version 1.1 was trained
    with.

    ``text_format`` says how the text is written; of markup nothing is spoken. ``normalize`` is the language in
    which numbers are spelled out; None leaves them to the model. ``before`` is the end of what was said before, in
    plain text: it is judged with the text, and not spoken.

    ``speed`` changes the tempo and keeps the pitch; ``volume_db`` is in decibels; ``sample_rate`` in Hz, None is
    the model's own. Of a ``whole`` utterance nobody hears a segment before its end, so that one that goes astray
    may be tried once more. ``deadline`` is Unix time in seconds.
    """

    text: str
    text_format: TextFormat = "plain"
    normalize: NumbersLanguage | None = None
    before: str = Field("", max_length=LONGEST_BEFORE)
    reference_texts: tuple[str, ...] = Field((), max_length=64)
    voice: str | None = Field(None, max_length=512)
    speaker: str | None = Field(None, max_length=128)
    sampling: SamplingOptions = SamplingOptions()
    speed: float = Field(1.0, ge=0.25, le=4)
    volume_db: float = Field(0.0, ge=-20, le=20)
    sample_rate: int | None = Field(None, ge=8_000, le=48_000)
    whole: bool = False
    model: str | None = None
    deadline: float | None = None
    request_id: str = ""

    def seeded(self) -> "SpeechRequest":
        """This request with a seed, drawn if it has none: whoever speaks it again says the same."""
        if self.sampling.seed is not None:
            return self
        sampling = self.sampling.model_copy(update={"seed": secrets.randbelow(LARGEST_SEED + 1)})
        return self.model_copy(update={"sampling": sampling})


@dataclass(frozen=True, slots=True)
class Started:
    """The text was accepted and the first sound comes next.

    ``sample_rate`` in Hz is that of all ``Audio`` to come. ``seed`` repeats this speech. ``segments`` is how many
    pieces the text was cut into, ``text_tokens`` how many tokens they have. ``classification`` has probabilities
    by label if the model is configured with a classifier: of each label the highest in any of the
    ``judged_pieces`` in which all of the text was read.
    """

    sample_rate: int
    seed: int
    segments: int
    text_tokens: int
    classification: Mapping[str, float] | None = None
    judged_pieces: int = 0


@dataclass(frozen=True, slots=True)
class Audio:
    """The next samples: float32 mono of shape (any,), in [-1, 1]. ``begin`` counts those before them."""

    samples: NDArray[np.float32]
    begin: int


@dataclass(frozen=True, slots=True)
class Finished:
    """The end. ``samples`` and ``frames`` count all of it; ``cut`` tells that a segment reached its bound, so that
    its end is missing or it has gone astray.
    """

    samples: int
    frames: int
    cut: bool = False


SpeechEvent = Started | Audio | Finished


@dataclass(frozen=True, slots=True)
class Speech:
    """A whole utterance: float32 mono of shape (any,) at ``started.sample_rate`` Hz."""

    started: Started
    samples: NDArray[np.float32]
    finished: Finished

    @property
    def seconds(self) -> float:
        """Its duration."""
        return len(self.samples) / self.started.sample_rate


async def collect(events: AsyncIterator[SpeechEvent]) -> Speech:
    """Wait for all events of one utterance. Raises whatever the events raise."""
    started: Started | None = None
    parts: list[NDArray[np.float32]] = [np.zeros(0, np.float32)]
    async for event in events:
        match event:
            case Started():
                started = event
            case Audio():
                parts.append(event.samples)
            case Finished():
                assert started is not None
                return Speech(started, np.concatenate(parts), event)
    raise RuntimeError("the speech ended without its last event")


@dataclass(frozen=True, slots=True)
class Decoded:
    """Sound made of codes, as the codec gives it: float32 mono of shape (any,) at ``sample_rate`` Hz."""

    sample_rate: int
    samples: NDArray[np.float32]


class VoiceDetails(_Frozen):
    """What people say of a voice; nothing here changes its sound."""

    title: Title = ""
    description: str = Field("", max_length=4_096)
    tags: tuple[Tag, ...] = Field((), max_length=64)
    languages: tuple[Tag, ...] = Field((), max_length=64)


class NewVoice(_Frozen):
    """A voice to be kept. Its recordings travel beside it, one for each transcript of ``texts``."""

    id: VoiceId
    texts: tuple[str, ...] = Field(min_length=1, max_length=64)
    details: VoiceDetails = VoiceDetails()


class VoiceChange(_Frozen):
    """What is to be different about a voice; None stays as it is. An ``id`` renames it."""

    id: VoiceId | None = None
    details: VoiceDetails | None = None


@dataclass(frozen=True, slots=True)
class Voice:
    """A named voice. ``texts`` are the transcripts of its recordings; times are Unix times in seconds.

    A voice that is ``shipped`` lies in a read-only folder and can be neither changed nor deleted.
    """

    id: str
    texts: tuple[str, ...]
    details: VoiceDetails
    created: float
    updated: float
    shipped: bool = False
