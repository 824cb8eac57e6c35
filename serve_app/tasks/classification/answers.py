"""What a classifier's scores are to clients: an object for each text, and a verdict of moderation."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from deployments.errors import InternalError, InvalidRequest
from deployments.text_classification.types import TextScores
from serve_app.config.models import MODERATION_CATEGORIES, ModerationConfig

# Labels of the hate-speech model whose categories have other names.
SYNONYMS = {"abusing": "harassment"}
LONGEST_LIST = 300
_SEPARATORS = re.compile(r"[\s_/-]+")


def as_object(text: str, scores: TextScores) -> dict[str, Any]:
    """``text`` as it was sent, a score (0 to 1) per label in the model's order, ``label``, ``truncated``.

    ``label`` is the most probable one. Models with labels of these three names are refused when they are loaded.
    """
    by_label = {label: float(score) for label, score in scores.scores.items()}
    return {"text": text, **by_label, "label": scores.label, "truncated": scores.truncated}


@dataclass(frozen=True, slots=True)
class Verdict:
    """``scores`` (0 to 1) of every category, 0 for those that are not judged; ``flagged`` are the categories whose
    scores reach their thresholds.
    """

    scores: Mapping[str, float]
    flagged: frozenset[str]


class Moderator:
    """Judges scores of a model with these labels; ``judged`` are the categories that the labels speak of.

    Raises InternalError if the configuration names a label that the model does not have, InvalidRequest if the
    model judges no category at all: its silence must not be taken for a clean text.
    """

    def __init__(self, config: ModerationConfig, labels: Iterable[str]) -> None:
        labels = tuple(labels)
        self._categories = by_name(labels) if config.categories is None else config.categories
        for label in self._categories:
            if label not in labels:
                raise InternalError(f"The model has no label {label!r}, which the moderation settings name.")
        if not self._categories:
            raise InvalidRequest(
                "The model judges none of the categories of moderation; its labels are "
                f"{', '.join(labels)[:LONGEST_LIST]}. Name another model, or send the texts to /v1/classify.",
                param="model",
            )
        self.judged = frozenset(self._categories.values())
        self._thresholds = {name: config.thresholds.get(name, config.threshold) for name in self.judged}

    def verdict(self, scores: Mapping[str, float]) -> Verdict:
        """The verdict on a text's scores by label. Of several labels of one category the highest score counts.

        Raises InternalError if a label is missing or a score is no finite number.
        """
        judged = dict.fromkeys((*MODERATION_CATEGORIES, *self._categories.values()), 0.0)
        for label, category in self._categories.items():
            score = scores.get(label, math.nan)
            if not math.isfinite(score):
                raise InternalError(f"The model gave no score for its label {label!r}.")
            judged[category] = max(judged[category], float(score))
        return Verdict(
            judged, frozenset(name for name, threshold in self._thresholds.items() if judged[name] >= threshold)
        )


def by_name(labels: Iterable[str]) -> dict[str, str]:
    """Categories by those labels that are called like one, however they are spelt, or like a synonym of one."""
    known = {_plain(name): name for name in MODERATION_CATEGORIES} | SYNONYMS
    return {label: known[_plain(label)] for label in labels if _plain(label) in known}


def _plain(name: str) -> str:
    return _SEPARATORS.sub(" ", name.strip()).casefold()
