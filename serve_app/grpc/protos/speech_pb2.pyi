from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TextFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TEXT_FORMAT_UNSPECIFIED: _ClassVar[TextFormat]
    TEXT_FORMAT_PLAIN: _ClassVar[TextFormat]
    TEXT_FORMAT_MARKDOWN: _ClassVar[TextFormat]
    TEXT_FORMAT_SSML: _ClassVar[TextFormat]

class AudioFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AUDIO_FORMAT_UNSPECIFIED: _ClassVar[AudioFormat]
    AUDIO_FORMAT_WAV: _ClassVar[AudioFormat]
    AUDIO_FORMAT_PCM: _ClassVar[AudioFormat]
    AUDIO_FORMAT_FLAC: _ClassVar[AudioFormat]
    AUDIO_FORMAT_MP3: _ClassVar[AudioFormat]
    AUDIO_FORMAT_OPUS: _ClassVar[AudioFormat]
    AUDIO_FORMAT_AAC: _ClassVar[AudioFormat]
TEXT_FORMAT_UNSPECIFIED: TextFormat
TEXT_FORMAT_PLAIN: TextFormat
TEXT_FORMAT_MARKDOWN: TextFormat
TEXT_FORMAT_SSML: TextFormat
AUDIO_FORMAT_UNSPECIFIED: AudioFormat
AUDIO_FORMAT_WAV: AudioFormat
AUDIO_FORMAT_PCM: AudioFormat
AUDIO_FORMAT_FLAC: AudioFormat
AUDIO_FORMAT_MP3: AudioFormat
AUDIO_FORMAT_OPUS: AudioFormat
AUDIO_FORMAT_AAC: AudioFormat

class SpeakRequest(_message.Message):
    __slots__ = ("text", "model", "voice", "references", "speaker", "format", "bit_rate", "sample_rate", "speed", "volume_db", "temperature", "top_p", "repetition_penalty", "max_new_tokens", "chunk_length", "seed", "text_format", "normalize")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VOICE_FIELD_NUMBER: _ClassVar[int]
    REFERENCES_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    BIT_RATE_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_FIELD_NUMBER: _ClassVar[int]
    SPEED_FIELD_NUMBER: _ClassVar[int]
    VOLUME_DB_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    TOP_P_FIELD_NUMBER: _ClassVar[int]
    REPETITION_PENALTY_FIELD_NUMBER: _ClassVar[int]
    MAX_NEW_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CHUNK_LENGTH_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    TEXT_FORMAT_FIELD_NUMBER: _ClassVar[int]
    NORMALIZE_FIELD_NUMBER: _ClassVar[int]
    text: str
    model: str
    voice: str
    references: _containers.RepeatedCompositeFieldContainer[Reference]
    speaker: str
    format: AudioFormat
    bit_rate: int
    sample_rate: int
    speed: float
    volume_db: float
    temperature: float
    top_p: float
    repetition_penalty: float
    max_new_tokens: int
    chunk_length: int
    seed: int
    text_format: TextFormat
    normalize: str
    def __init__(self, text: _Optional[str] = ..., model: _Optional[str] = ..., voice: _Optional[str] = ..., references: _Optional[_Iterable[_Union[Reference, _Mapping]]] = ..., speaker: _Optional[str] = ..., format: _Optional[_Union[AudioFormat, str]] = ..., bit_rate: _Optional[int] = ..., sample_rate: _Optional[int] = ..., speed: _Optional[float] = ..., volume_db: _Optional[float] = ..., temperature: _Optional[float] = ..., top_p: _Optional[float] = ..., repetition_penalty: _Optional[float] = ..., max_new_tokens: _Optional[int] = ..., chunk_length: _Optional[int] = ..., seed: _Optional[int] = ..., text_format: _Optional[_Union[TextFormat, str]] = ..., normalize: _Optional[str] = ...) -> None: ...

class Reference(_message.Message):
    __slots__ = ("audio", "text")
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    audio: bytes
    text: str
    def __init__(self, audio: _Optional[bytes] = ..., text: _Optional[str] = ...) -> None: ...

class SpeakResponse(_message.Message):
    __slots__ = ("audio", "sample_rate", "duration", "seed", "cut", "model", "classification", "judged_pieces")
    class ClassificationEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    CUT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    CLASSIFICATION_FIELD_NUMBER: _ClassVar[int]
    JUDGED_PIECES_FIELD_NUMBER: _ClassVar[int]
    audio: bytes
    sample_rate: int
    duration: float
    seed: int
    cut: bool
    model: str
    classification: _containers.ScalarMap[str, float]
    judged_pieces: int
    def __init__(self, audio: _Optional[bytes] = ..., sample_rate: _Optional[int] = ..., duration: _Optional[float] = ..., seed: _Optional[int] = ..., cut: _Optional[bool] = ..., model: _Optional[str] = ..., classification: _Optional[_Mapping[str, float]] = ..., judged_pieces: _Optional[int] = ...) -> None: ...

class SpeechEvent(_message.Message):
    __slots__ = ("started", "audio", "finished")
    STARTED_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    started: SpeechStarted
    audio: bytes
    finished: SpeechFinished
    def __init__(self, started: _Optional[_Union[SpeechStarted, _Mapping]] = ..., audio: _Optional[bytes] = ..., finished: _Optional[_Union[SpeechFinished, _Mapping]] = ...) -> None: ...

class SpeechStarted(_message.Message):
    __slots__ = ("sample_rate", "seed", "segments", "text_tokens", "model", "classification", "judged_pieces")
    class ClassificationEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    SAMPLE_RATE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    TEXT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    CLASSIFICATION_FIELD_NUMBER: _ClassVar[int]
    JUDGED_PIECES_FIELD_NUMBER: _ClassVar[int]
    sample_rate: int
    seed: int
    segments: int
    text_tokens: int
    model: str
    classification: _containers.ScalarMap[str, float]
    judged_pieces: int
    def __init__(self, sample_rate: _Optional[int] = ..., seed: _Optional[int] = ..., segments: _Optional[int] = ..., text_tokens: _Optional[int] = ..., model: _Optional[str] = ..., classification: _Optional[_Mapping[str, float]] = ..., judged_pieces: _Optional[int] = ...) -> None: ...

class SpeechFinished(_message.Message):
    __slots__ = ("duration", "frames", "cut")
    DURATION_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    CUT_FIELD_NUMBER: _ClassVar[int]
    duration: float
    frames: int
    cut: bool
    def __init__(self, duration: _Optional[float] = ..., frames: _Optional[int] = ..., cut: _Optional[bool] = ...) -> None: ...

class ListVoicesRequest(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: str
    def __init__(self, model: _Optional[str] = ...) -> None: ...

class ListVoicesResponse(_message.Message):
    __slots__ = ("voices",)
    VOICES_FIELD_NUMBER: _ClassVar[int]
    voices: _containers.RepeatedCompositeFieldContainer[Voice]
    def __init__(self, voices: _Optional[_Iterable[_Union[Voice, _Mapping]]] = ...) -> None: ...

class Voice(_message.Message):
    __slots__ = ("id", "texts", "title", "description", "tags", "languages", "created", "updated", "shipped")
    ID_FIELD_NUMBER: _ClassVar[int]
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    LANGUAGES_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    UPDATED_FIELD_NUMBER: _ClassVar[int]
    SHIPPED_FIELD_NUMBER: _ClassVar[int]
    id: str
    texts: _containers.RepeatedScalarFieldContainer[str]
    title: str
    description: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    languages: _containers.RepeatedScalarFieldContainer[str]
    created: float
    updated: float
    shipped: bool
    def __init__(self, id: _Optional[str] = ..., texts: _Optional[_Iterable[str]] = ..., title: _Optional[str] = ..., description: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., languages: _Optional[_Iterable[str]] = ..., created: _Optional[float] = ..., updated: _Optional[float] = ..., shipped: _Optional[bool] = ...) -> None: ...
