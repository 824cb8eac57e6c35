"""The JSON object that answers for one classified text, the same at every entrance."""

from typing import Any

from deployments.text_classification.types import TextScores


def as_object(text: str, scores: TextScores) -> dict[str, Any]:
    """``text`` as it was sent, a score (0 to 1) per label in the model's order, ``label``, ``truncated``.

    ``label`` is the most probable one. Models with labels of these three names are refused when they are loaded.
    """
    found = {label: float(score) for label, score in scores.scores.items()}
    return {"text": text, **found, "label": scores.label, "truncated": scores.truncated}
