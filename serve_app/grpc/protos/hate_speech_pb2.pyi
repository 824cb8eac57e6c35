from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class data(_message.Message):
    __slots__ = ("input",)
    INPUT_FIELD_NUMBER: _ClassVar[int]
    input: Input
    def __init__(self, input: _Optional[_Union[Input, _Mapping]] = ...) -> None: ...

class Input(_message.Message):
    __slots__ = ("prompt",)
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    prompt: str
    def __init__(self, prompt: _Optional[str] = ...) -> None: ...

class output(_message.Message):
    __slots__ = ("output", "status")
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    output: results
    status: str
    def __init__(self, output: _Optional[_Union[results, _Mapping]] = ..., status: _Optional[str] = ...) -> None: ...

class results(_message.Message):
    __slots__ = ("abusing", "hate", "neutral", "spam", "text")
    ABUSING_FIELD_NUMBER: _ClassVar[int]
    HATE_FIELD_NUMBER: _ClassVar[int]
    NEUTRAL_FIELD_NUMBER: _ClassVar[int]
    SPAM_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    abusing: float
    hate: float
    neutral: float
    spam: float
    text: str
    def __init__(self, abusing: _Optional[float] = ..., hate: _Optional[float] = ..., neutral: _Optional[float] = ..., spam: _Optional[float] = ..., text: _Optional[str] = ...) -> None: ...
