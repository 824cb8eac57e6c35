"""A transcript that grows, in the format that the user wants."""

import json
from collections.abc import Callable
from typing import Any, get_args

from deployments.whisper.types import Segment
from serve_app.tasks.transcription import formats as transcripts
from serve_app.tasks.transcription.channels import turns
from serve_app.tasks.transcription.formats import TranscriptFormat

FORMATS: tuple[str, ...] = get_args(TranscriptFormat)
GROWING = frozenset({"text", "srt", "vtt"})
ENDINGS = {"text": ".txt", "srt": ".srt", "vtt": ".vtt", "json": ".json", "verbose_json": ".json"}


class GrowingTranscript:
    """The answer to one input. ``document`` is the object of a JSON format, once it is known.

    ``grown`` is called after every new segment.
    """

    def __init__(self, kind: TranscriptFormat, grown: "Callable[[GrowingTranscript], None] | None" = None) -> None:
        self.kind = kind
        self.segments: list[Segment] = []
        self.document: dict[str, Any] | None = None
        self._grown = grown

    def add(self, segment: Segment) -> None:
        """Take the next segment."""
        self.segments.append(segment)
        if self._grown is not None:
            self._grown(self)

    @property
    def so_far(self) -> str:
        """What is certain of the final text: each value begins with the one before. Only for GROWING formats."""
        match self.kind:
            case "srt":
                return transcripts.as_srt(self.segments)
            case "vtt":
                return transcripts.as_vtt(self.segments)
        return turns(self.segments)

    @property
    def text(self) -> str:
        """The whole, as it is printed."""
        if self.kind == "text":
            return self.so_far + "\n"
        if self.kind in GROWING:
            return self.so_far
        return json.dumps(self.document, ensure_ascii=False, indent=2) + "\n"
