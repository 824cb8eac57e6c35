"""How far an utterance is, by characters of its text."""

import numpy as np

from deployments.admission import Admission
from deployments.fish_speech.language_model.batcher import End
from deployments.fish_speech.progress import SpeechProgress
from deployments.fish_speech.synthesizer import Sound


def sound(frames: int, segment: int, end: End = "") -> Sound:
    return Sound(np.zeros(0, np.float32), frames, segment, end)


def test_frames_are_estimated_in_characters_until_their_segment_ends() -> None:
    admission = Admission(1_000, 10)
    with admission.admit(26) as ticket:
        progress = SpeechProgress(ticket, ["a" * 12, "b" * 20], 26)
        left = []
        for one in (sound(10, 0), sound(90, 0), sound(1, 0, "cut"), sound(5, 1), sound(0, 1, "spoken")):
            progress.add(one)
            left.append(ticket.outstanding)
        assert left == [20, 14, 14, 11, 0]
        assert (progress.frames, progress.cut) == (106, True)
