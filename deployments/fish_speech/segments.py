"""The next segment of a text: its prompt with what of the past fits into it, and how its frames are drawn."""

from collections.abc import Sequence

import numpy as np

from deployments.errors import InvalidRequest
from deployments.fish_speech.history import bounded_items, kept_items
from deployments.fish_speech.language_model.batcher import Columns, SpeechSegment
from deployments.fish_speech.types import SamplingOptions

FRAMES_OF_A_SEGMENT = 1 << 16  # numbers of frames set aside for the random draws of one segment
FRAMES_OF_A_TAKE = 1 << 15  # and of one of its two takes; no context is longer


def next_segment(
    opening: Columns,
    past: Sequence[Columns],
    *,
    context: int,
    number: int,
    seed: int,
    sampling: SamplingOptions,
    take: int = 0,
    history: int | None = None,
    voice_is_set: bool = False,
    most_frames: int = FRAMES_OF_A_TAKE,
    first_chunk: int = 0,
    chunk: int = 0,
) -> SpeechSegment:
    """What the engine is asked for after ``past``: [segment, speech, segment, speech, ..., the segment to come].

    It is segment ``number`` of the text, and draws other frames for a ``take`` of 1 than for one of 0.
    ``context`` is how many columns the model looks back on, ``history`` how many of the past it is to see, see
    ``bounded_items``; None is as many as there is room for. ``most_frames`` is a bound besides that of
    ``sampling``; the rest is as in ``SpeechSegment``.

    Raises InvalidRequest if that leaves no room for speech.
    """
    if history is None:
        kept = kept_items(past, context, opening.shape[1])
    else:
        kept = bounded_items(past, context, opening.shape[1], history, voice_is_set=voice_is_set)
    rest = np.concatenate(kept, axis=1)
    room = context - opening.shape[1] - rest.shape[1]
    if room < 1:
        raise InvalidRequest(
            f"The references and the text take {context - room} tokens and frames, but the model has room for "
            f"{context}, speech included; send shorter references or a smaller chunk_length.",
            param="text",
        )
    return SpeechSegment(
        opening,
        rest,
        seed=seed,
        first_frame=number * FRAMES_OF_A_SEGMENT + take * FRAMES_OF_A_TAKE,
        most_frames=min(sampling.max_new_tokens or room, room, most_frames),
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        repetition_penalty=sampling.repetition_penalty,
        first_chunk=first_chunk,
        chunk=chunk,
    )
