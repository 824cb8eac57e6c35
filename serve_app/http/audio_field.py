"""Audio files in fields of JSON: base64, with or without a ``data:`` prefix."""

from typing import Any

from pydantic import TypeAdapter, ValidationError

from deployments.errors import InvalidRequest
from serve_app.fields.audio import AudioBytes, uploads_of
from serve_app.upload import Upload

_BYTES: TypeAdapter[bytes] = TypeAdapter(AudioBytes)


def audio_of(value: Any, name: str) -> Upload:
    """The file in a field of this name. Raises InvalidRequest for what is no base64, or empty."""
    try:
        return uploads_of([_BYTES.validate_python(value)])[0]
    except ValidationError as error:
        raise InvalidRequest(f"`{name}` has to be an audio file in base64.", param=name) from error
