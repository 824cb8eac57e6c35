"""The vocabulary of transcription: what every entrance asks for, and what comes back.

Requests are validated models, so that a wrong value is refused with the same sentence wherever it came in.
Results are events, in this order: one ``Started``; ``Segment`` and ``Progress`` as the work goes on; one
``Finished``. A client that wants all at once collects them into a ``Transcript``.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from deployments.whisper.sound.choice import AudioTrack, Channels, HeardTrack

Task = Literal["transcribe", "translate"]
LONGEST_AUDIO_S = 1e7  # beyond any recording; keeps sample positions exact
Probability = Annotated[float, Field(ge=0, le=1)]
Temperature = Annotated[float, Field(ge=0, le=1)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class VadOptions(_Frozen):
    """Voice activity detection (Silero v6). The defaults cut speech into densely packed windows.

    ``neg_threshold`` (default: ``threshold - 0.15``) is where speech ends; ``max_speech_duration_s`` is
    capped at the model's window and defaults to it.
    """

    threshold: Probability = 0.5
    neg_threshold: Probability | None = None
    min_speech_duration_ms: int = Field(0, ge=0, le=60_000)
    max_speech_duration_s: float | None = Field(None, ge=2, le=30)
    min_silence_duration_ms: int = Field(160, ge=0, le=60_000)
    speech_pad_ms: int = Field(400, ge=0, le=5_000)


class DecodingOptions(_Frozen):
    """Everything that decides how a window is decoded. Names and meaning are faster-whisper's."""

    beam_size: int = Field(5, ge=1, le=16)
    best_of: int = Field(5, ge=1, le=16)
    patience: float = Field(1.0, ge=1, le=4)
    length_penalty: float = Field(1.0, ge=-4, le=4)
    repetition_penalty: float = Field(1.0, ge=0.1, le=4)
    no_repeat_ngram_size: int = Field(0, ge=0, le=32)
    temperatures: tuple[Temperature, ...] = Field((0.0, 0.2, 0.4, 0.6, 0.8, 1.0), min_length=1, max_length=16)
    compression_ratio_threshold: float | None = Field(2.4, gt=0)
    log_prob_threshold: float | None = Field(-1.0, le=0)
    no_speech_threshold: Probability | None = 0.6
    condition_on_previous_text: bool = False
    prompt_reset_on_temperature: Temperature = 0.5
    initial_prompt: str | None = Field(None, max_length=8_000)
    prefix: str | None = Field(None, max_length=2_000)
    hotwords: str | None = Field(None, max_length=8_000)
    suppress_blank: bool = True
    suppress_tokens: tuple[int, ...] = Field((-1,), max_length=1_000)
    without_timestamps: bool = False
    max_initial_timestamp: float = Field(1.0, ge=0, le=30)
    max_new_tokens: int | None = Field(None, ge=1, le=444)
    multilingual: bool = False
    language_detection_segments: int = Field(1, ge=1, le=32)
    language_detection_threshold: Probability = 0.5
    word_timestamps: bool = False
    prepend_punctuations: str = Field("\"'“¿([{-", max_length=64)
    append_punctuations: str = Field("\"'.。,，!！?？:：”)]}、", max_length=64)
    token_logprobs: bool = False


class Clip(_Frozen):
    """A span of the audio to transcribe, in seconds; ``end`` None means to the end.

    Clips are heard in order of time. Those that overlap are each heard by themselves, and come in the order in
    which they were asked for.
    """

    start: float = Field(ge=0, le=LONGEST_AUDIO_S)
    end: float | None = Field(None, gt=0, le=LONGEST_AUDIO_S)


class TranscriptionRequest(_Frozen):
    """One transcription. The audio is either at ``url`` or travels beside the request as uint8 bytes.

    ``language`` is an ISO-639-1 code, None detects it (among ``languages``, if any are given).
    ``vad`` None turns voice activity detection off: windows then follow each other by decoded timestamps.
    ``clips`` replace voice activity detection. ``audio_track`` None means the file's default one. ``deadline`` is
    Unix time in seconds.
    """

    task: Task = "transcribe"
    language: str | None = None
    languages: tuple[str, ...] = Field((), max_length=100)
    decoding: DecodingOptions = DecodingOptions()
    vad: VadOptions | None = VadOptions()
    clips: tuple[Clip, ...] = Field((), max_length=10_000)
    audio_track: AudioTrack | None = None
    channels: Channels = "mix"
    url: str | None = Field(None, max_length=8_192)
    file_name: str | None = None
    content_type: str | None = None
    model: str | None = None
    deadline: float | None = None
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Word:
    """A word with its leading space, times in seconds and the mean probability of its tokens."""

    word: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A text token, its UTF-8 bytes and its natural logarithm of probability."""

    token: str
    logprob: float
    bytes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of the text. Times in seconds of the original audio; ``seek`` in mel frames of 10 ms.

    ``channel`` is the one in which it is said, if channels are transcribed each by itself.
    ``words`` and ``token_logprobs`` are empty unless they were asked for. ``classification`` has probabilities by
    label if the model is configured with a classifier.

    Times rise from segment to segment, and neither a segment nor a word spans audio that was left out. Where clips
    overlap times go back; ``position`` does not: it is the start (the default), or in such a request how many
    seconds lie before it, with all that is heard again. ``Progress`` counts the same.
    """

    id: int
    seek: int
    start: float
    end: float
    text: str
    tokens: tuple[int, ...]
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float
    language: str
    words: tuple[Word, ...] = ()
    token_logprobs: tuple[TokenLogprob, ...] = ()
    classification: Mapping[str, float] | None = None
    position: float | None = None
    channel: int | None = None

    @property
    def extent(self) -> tuple[float, float]:
        """Where it begins and ends in what is heard, as ``Progress`` counts it."""
        if self.position is None:
            return self.start, self.end
        return self.position, self.position + self.end - self.start


@dataclass(frozen=True, slots=True)
class Started:
    """The language is known and decoding begins. ``duration`` in seconds, None if the file does not tell.

    Of channels that are transcribed each by itself it is the language of the one that leaves the least doubt.
    """

    language: str
    language_probability: float
    duration: float | None
    track: HeardTrack | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Seconds of the original audio that are done, of how many (None if the file does not tell). Where clips
    overlap both count the audio as often as it is heard.

    ``by_channel`` has those of every channel, where each is transcribed by itself.
    """

    processed: float
    total: float | None
    by_channel: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a transcription. ``speech_duration`` counts only what voice activity detection or clips kept, of
    all channels together.
    """

    language: str
    language_probability: float
    duration: float
    speech_duration: float
    track: HeardTrack | None = None


TranscriptionEvent = Started | Segment | Progress | Finished


@dataclass(frozen=True, slots=True)
class Transcript:
    """A whole transcription."""

    task: Task
    language: str
    language_probability: float
    duration: float
    speech_duration: float
    segments: tuple[Segment, ...] = field(default=())
    track: HeardTrack | None = None

    @property
    def text(self) -> str:
        """All segments as one string, without surrounding blanks."""
        return join_text(segment.text for segment in self.segments)


def join_text(texts: Iterable[str]) -> str:
    """Segment texts begin with a space where the language writes one, so they are simply put together."""
    return "".join(texts).strip()


async def collect(task: Task, events: AsyncIterator[TranscriptionEvent]) -> Transcript:
    """Wait for all events of one transcription. Raises whatever the events raise."""
    segments: list[Segment] = []
    async for event in events:
        if isinstance(event, Segment):
            segments.append(event)
        elif isinstance(event, Finished):
            return Transcript(
                task,
                event.language,
                event.language_probability,
                event.duration,
                event.speech_duration,
                tuple(segments),
                event.track,
            )
    raise RuntimeError("the transcription ended without its last event")
