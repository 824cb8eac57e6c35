"""What a body of any speech route asks for: an utterance, and how it is sent."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from deployments.errors import InvalidRequest
from deployments.fish_speech.types import SpeechRequest
from media.encode import AudioFormat
from serve_app.fields.audio import Upload
from serve_app.tasks.speech.encoding import Container


@dataclass(frozen=True, slots=True)
class SpeechOrder:
    """One utterance: the request with its references, how it is wrapped, whether it is sent while it is made.

    ``headers`` are for the response, which says that it is ``called`` another format, if that is given.
    """

    request: SpeechRequest
    references: tuple[Upload, ...]
    container: Container
    streamed: bool
    headers: Mapping[str, str] = field(default_factory=dict)
    called: AudioFormat | None = None


def check_text(text: str, name: str = "text") -> None:
    """Raise InvalidRequest for a text without anything to say, or that is no Unicode."""
    if not text.strip():
        raise InvalidRequest(f"`{name}` is {'blank' if text else 'empty'}; send what to say.", param=name)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest(
            f"`{name}` holds half of a surrogate pair at character {error.start + 1}; send whole characters.",
            param=name,
        ) from error
