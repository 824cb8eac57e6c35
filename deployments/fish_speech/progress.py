"""How far an utterance has got."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from deployments.admission import Ticket

if TYPE_CHECKING:
    from deployments.fish_speech.synthesizer import Sound

CHARS_PER_FRAME = 0.6


class SpeechProgress:
    """Counts ``frames``, and whether a segment was ``cut``; advances the request's ticket by characters of text.

    A segment's characters are spoken when it ends; until then they are estimated from its frames.
    """

    def __init__(self, ticket: Ticket, pieces: Sequence[str], text_chars: int) -> None:
        self._ticket, self._pieces, self._text_chars = ticket, pieces, text_chars
        self._ended_chars = 0
        self._segment_frames = 0
        self.frames = 0
        self.cut = False

    def add(self, sound: "Sound") -> None:
        """Take the next sound into account."""
        self.frames += sound.frames
        self._segment_frames += sound.frames
        self.cut = self.cut or sound.end == "cut"
        piece_chars = len(self._pieces[sound.segment])
        if sound.end:
            self._ended_chars += piece_chars
            self._segment_frames = 0
        spoken = self._ended_chars + min(self._segment_frames * CHARS_PER_FRAME, piece_chars)
        self._ticket.advance(min(spoken, self._text_chars))
