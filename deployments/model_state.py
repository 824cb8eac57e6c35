"""What a model is doing, as clients and probes see it."""

from dataclasses import dataclass
from typing import Literal

Phase = Literal["starting", "downloading", "loading", "warming_up", "ready", "idle", "failed"]


@dataclass(frozen=True, slots=True)
class ModelState:
    """State of one replica's model. ``progress`` runs from 0 to 1, None if unknown.

    ``idle`` models load on demand. ``queued`` is accepted work that is not done yet, in its task's unit.
    ``languages`` (ISO-639-1) or ``labels`` are known once the model is loaded.
    """

    phase: Phase = "starting"
    progress: float | None = None
    detail: str = ""
    queued: float = 0.0
    active_requests: int = 0
    languages: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether requests are answered (an idle model is loaded by the first of them)."""
        return self.phase in ("ready", "idle")


def most_telling(states: list[ModelState]) -> ModelState:
    """The state to show for several replicas of one model: a ready one if there is one, else a failed one."""
    if not states:
        return ModelState()
    return next(
        (state for state in states if state.ready),
        next((state for state in states if state.phase == "failed"), states[0]),
    )
