"""The exception tree. Every entrance maps it to the error shape its own API family documents.

AntiphonError                       500
├── ClientError                     400   the request has to change
│   ├── InvalidRequest              400   a field is missing, wrong, or cannot be honoured
│   ├── AuthenticationFailed        401   no key, or a wrong one
│   ├── ContentRefused              400   the model's classifier found in the text what it is not to say
│   ├── ModelNotFound               404   no served model has this id or alias
│   ├── VoiceNotFound               404   no voice of the library has this id
│   ├── VoiceConflict               409   the voice exists already, or is not to be changed
│   ├── Overloaded                  429   the queue is full; try again after ``retry_after_s``
│   ├── UndecodableAudio            400   (media)
│   ├── NoSuchTrack                 400   (media)
│   ├── NoSuchChannel               400   (media)
│   ├── PayloadTooLarge             413   (media)
│   ├── AudioTooLong                413   (media)
│   ├── ForbiddenUrl                400   (media)
│   └── FetchFailed                 400   (media)
├── DeadlineExceeded                504   the time the request was given is over
├── ModelUnavailable                503   the model is loading, failed to load, or lost its replica
├── ServerUnavailable               503   the server starts, stops, or lost the process that had the request
├── PublishFailed                   502   (media) the storage for results did not take one
└── InternalError                   500   our fault; details are in the log under the request id
"""

from media.errors import (
    AntiphonError,
    AudioTooLong,
    ClientError,
    FetchFailed,
    ForbiddenUrl,
    NoSuchChannel,
    NoSuchTrack,
    PayloadTooLarge,
    PublishFailed,
    UndecodableAudio,
)

__all__ = [
    "AntiphonError",
    "AudioTooLong",
    "AuthenticationFailed",
    "ClientError",
    "ContentRefused",
    "DeadlineExceeded",
    "FetchFailed",
    "ForbiddenUrl",
    "InternalError",
    "InvalidRequest",
    "ModelNotFound",
    "ModelUnavailable",
    "NoSuchChannel",
    "NoSuchTrack",
    "Overloaded",
    "PayloadTooLarge",
    "PublishFailed",
    "ServerUnavailable",
    "UndecodableAudio",
    "VoiceConflict",
    "VoiceNotFound",
]


class InvalidRequest(ClientError):
    """A field is missing, has a wrong value, or asks for something that cannot be honoured."""


class AuthenticationFailed(ClientError):
    """No API key was sent, or one that is not known."""

    status = 401
    code = "invalid_api_key"


class ContentRefused(ClientError):
    """A classifier found in the request what the model is configured not to say."""

    code = "content_policy_violation"


class ModelNotFound(ClientError):
    """No served model answers to this id or alias."""

    status = 404
    code = "model_not_found"


class VoiceNotFound(ClientError):
    """No voice of the library has this id."""

    status = 404
    code = "voice_not_found"


class VoiceConflict(ClientError):
    """The voice exists already, is shipped and not to be changed, or there is no room for another one."""

    status = 409
    code = "voice_conflict"


class Overloaded(ClientError):
    """The queue is full. ``retry_after_s`` estimates when there is room again."""

    status = 429
    code = "overloaded"

    def __init__(self, message: str, *, retry_after_s: float, param: str | None = None) -> None:
        super().__init__(message, param=param)
        self.retry_after_s = retry_after_s


class DeadlineExceeded(AntiphonError):
    """The time that the request was given is over; its work has been stopped."""

    status = 504
    code = "deadline_exceeded"


class ModelUnavailable(AntiphonError):
    """The model is loading, failed to load, or lost its replica more often than we retry."""

    status = 503
    code = "model_unavailable"


class ServerUnavailable(AntiphonError):
    """The server starts or stops, or the process that had the request ended before it answered."""

    status = 503
    code = "server_unavailable"


class InternalError(AntiphonError):
    """Our fault. The message names nothing internal; the log has the details under the request id."""
