"""The next segment of a text: its prompt with what of the past fits into it, and how its frames are drawn."""

from collections.abc import Sequence

import numpy as np

from deployments.errors import InvalidRequest
from deployments.fish_speech.history import kept_items
from deployments.fish_speech.language_model.batcher import Columns, SpeechSegment
from deployments.fish_speech.types import SamplingOptions

FRAMES_OF_A_SEGMENT = 1 << 16  # numbers of frames set aside for the random draws of one segment


def next_segment(
    opening: Columns,
    past: Sequence[Columns],
    *,
    context: int,
    seed: int,
    sampling: SamplingOptions,
    first_chunk: int = 0,
    chunk: int = 0,
) -> SpeechSegment:
    """What the engine is asked for after ``past``: [segment, speech, segment, speech, ..., the segment to come].

    ``context`` is how many columns the model looks back on; the rest is as in ``SpeechSegment``.

    Raises InvalidRequest if that leaves no room for speech.
    """
    rest = np.concatenate(kept_items(past, context, opening.shape[1]), axis=1)
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
        first_frame=len(past) // 2 * FRAMES_OF_A_SEGMENT,
        most_frames=min(sampling.max_new_tokens or room, room),
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        repetition_penalty=sampling.repetition_penalty,
        first_chunk=first_chunk,
        chunk=chunk,
    )
