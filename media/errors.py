"""The root of Antiphon's exception tree, and the part of it that concerns sound and bytes.

The whole tree is drawn in ``deployments/errors.py``; it starts here because arrows point down only.
"""

from typing import Any, ClassVar


class AntiphonError(Exception):
    """A failure that a client may know of.

    ``message`` is a sentence for the client: what is wrong and what to change. ``param`` names the request
    field at fault, if one is. ``status`` is the HTTP status the error maps to, ``code`` a stable identifier.
    Every subclass pickles by its attributes, so that it crosses process borders unharmed.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.args, dict(self.__dict__)))


def _rebuild(kind: type[AntiphonError], args: tuple[Any, ...], state: dict[str, Any]) -> AntiphonError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class ClientError(AntiphonError):
    """The request has to change before it can succeed."""

    status = 400
    code = "invalid_request"


class UndecodableAudio(ClientError):
    """The bytes are no audio that we can read, or they hold no audio at all."""

    code = "invalid_audio"


class NoSuchTrack(ClientError):
    """The file has no such audio track."""

    code = "no_such_track"


class NoSuchChannel(ClientError):
    """The audio has no such channel, or too many to hear each by itself."""

    code = "no_such_channel"


class PayloadTooLarge(ClientError):
    """More bytes than the configuration allows."""

    status = 413
    code = "payload_too_large"


class AudioTooLong(ClientError):
    """More seconds of audio than the configuration allows."""

    status = 413
    code = "audio_too_long"


class ForbiddenUrl(ClientError):
    """A URL whose scheme, address or redirect is not allowed."""

    code = "forbidden_url"


class FetchFailed(ClientError):
    """A URL that is allowed but did not deliver its file."""

    code = "fetch_failed"


class PublishFailed(AntiphonError):
    """A result is ready, but the storage of this server did not take it. The log says why."""

    status = 502
    code = "publish_failed"
