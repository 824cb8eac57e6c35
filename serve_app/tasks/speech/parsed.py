"""What a body of any speech route asks for: an utterance, and how it is sent."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from deployments.fish_speech.text.script import check_has_words
from deployments.fish_speech.types import SpeechRequest
from deployments.texts import check_text
from media.encode import AudioFormat
from serve_app.fields.audio import Upload
from serve_app.tasks.speech.encoding import Container


@dataclass(frozen=True, slots=True)
class ParsedSpeech:
    """One utterance: the request with its references, how it is wrapped, whether it is sent while it is made.

    ``headers`` are for the response, which says that it is ``called`` another format, if that is given, and which
    consists of server-sent ``events``, if that is asked for.
    """

    request: SpeechRequest
    references: tuple[Upload, ...]
    container: Container
    streamed: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)
    called: AudioFormat | None = None
    events: bool = False


def check_speakable(text: str, name: str = "text") -> None:
    """Raise InvalidRequest for a text without anything to say, or that is no Unicode."""
    check_text(text, f"`{name}`", param=name, remedy="send what to say")
    check_has_words(text, name)
