"""The exception tree as statuses of gRPC: a code, a sentence, and trailing metadata for programs."""

from urllib.parse import quote

from grpc import StatusCode

from deployments.errors import (
    AntiphonError,
    AuthenticationFailed,
    ClientError,
    DeadlineExceeded,
    ModelNotFound,
    ModelUnavailable,
    Overloaded,
    ServerUnavailable,
    VoiceNotFound,
)
from serve_app.failures import retry_after_s

LONGEST_DETAILS = 4_096  # bytes on the wire; clients refuse metadata of more than 8 KiB altogether
RENAMED = {"file": "audio"}  # a field that is called otherwise in HTTP's form


class RemoteClient(ClientError):
    """A call from another machine, which the configuration does not allow."""

    status = 403
    code = "remote_client"


class NoApplication(ClientError):
    """No application has the name that the call's metadata say."""

    status = 404
    code = "not_found"


class UnsuitableModel(AntiphonError):
    """The configured model does not give what the method has to answer; only the operator can change that."""

    code = "unsuitable_model"


_CODES: tuple[tuple[type[AntiphonError], StatusCode], ...] = (
    (AuthenticationFailed, StatusCode.UNAUTHENTICATED),
    (DeadlineExceeded, StatusCode.DEADLINE_EXCEEDED),
    (ModelNotFound, StatusCode.NOT_FOUND),
    (NoApplication, StatusCode.NOT_FOUND),
    (VoiceNotFound, StatusCode.NOT_FOUND),
    (ModelUnavailable, StatusCode.UNAVAILABLE),
    (ServerUnavailable, StatusCode.UNAVAILABLE),
    (Overloaded, StatusCode.RESOURCE_EXHAUSTED),
    (RemoteClient, StatusCode.PERMISSION_DENIED),
    (UnsuitableModel, StatusCode.FAILED_PRECONDITION),
    (ClientError, StatusCode.INVALID_ARGUMENT),
    (AntiphonError, StatusCode.INTERNAL),
)


def status_code(error: AntiphonError) -> StatusCode:
    """The code of an error."""
    return next(code for kind, code in _CODES if isinstance(error, kind))


def details(error: AntiphonError) -> str:
    """The error's sentence, cut to 4 KiB on the wire, where every byte beyond ASCII takes three."""
    size, whole = 0, error.message.encode("utf-8", "replace").decode()
    for index, character in enumerate(whole):
        size += 1 if " " <= character <= "~" and character != "%" else 3 * len(character.encode())
        if size > LONGEST_DETAILS:
            return whole[:index]
    return whole


def metadata(error: AntiphonError) -> list[tuple[str, str]]:
    """Trailing metadata: what went wrong, with which field, and when to try again."""
    pairs = [("error-code", error.code)]
    if error.param:
        pairs.append(("error-param", quote(RENAMED.get(error.param, error.param)[:128], safe="[]()")))
    if (wait := retry_after_s(error)) is not None:
        pairs += [("retry-after", str(wait)), ("grpc-retry-pushback-ms", str(1_000 * wait))]
    return pairs
