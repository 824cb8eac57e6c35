"""What a second replica's stream adds to that of one that died."""

from collections.abc import Iterator
from dataclasses import replace

from deployments.fish_speech import types as speech
from deployments.whisper.types import Finished, Progress, Segment, Started, TranscriptionEvent


class TranscriptionResume:
    """Leaves out what an earlier attempt has delivered. Windows may fall differently in another attempt (warmer
    decoding is random), so what counts is the time up to which the audio has been done.
    """

    def __init__(self) -> None:
        self._attempt = 0
        self._done = 0.0  # seconds of audio, all of whose segments have been delivered
        self._skip_until = 0.0
        self._segments = 0
        self._started = self._finished = False

    def fresh(self, attempt: int, parcel: list[TranscriptionEvent]) -> Iterator[TranscriptionEvent]:
        """The events of a window that the caller does not have yet; segments are numbered through."""
        if attempt != self._attempt:
            self._attempt, self._skip_until = attempt, self._done
        for event in parcel:
            match event:
                case Started():
                    if not self._started:
                        self._started = True
                        yield event
                case Segment():
                    if (event.start + event.end) / 2 >= self._skip_until:
                        yield replace(event, id=self._segments)
                        self._segments += 1
                case Progress():
                    if attempt == 0 or event.processed > self._done:
                        self._done = event.processed
                        yield event
                case Finished():
                    if not self._finished:
                        self._finished = True
                        yield event


class SpeechResume:
    """Leaves out the samples that the caller has. The seed is the same in every attempt, and so is the speech."""

    def __init__(self) -> None:
        self._samples = 0
        self._started = False

    def fresh(self, attempt: int, parcel: list[speech.SpeechEvent]) -> Iterator[speech.SpeechEvent]:
        """The events that the caller does not have yet."""
        for event in parcel:
            match event:
                case speech.Started():
                    if not self._started:
                        self._started = True
                        yield event
                case speech.Audio():
                    missing = event.samples[max(0, self._samples - event.begin) :]
                    if len(missing):
                        yield speech.Audio(missing, self._samples)
                        self._samples += len(missing)
                case speech.Finished():
                    yield event
