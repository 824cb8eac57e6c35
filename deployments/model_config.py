"""Settings that every family's models have."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from deployments.model_store import ModelSource


class ModelConfig(BaseModel):
    """What a deployment serves, when it loads it, how many requests it admits.

    Either ``source`` names the model, or ``allow`` lists patterns (``org/name-*``) of Hub repositories that
    a request may name and have loaded on demand, at most ``max_loaded`` at a time.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: ModelSource | None = None
    allow: tuple[str, ...] = ()
    load: Literal["startup", "on_demand"] = "startup"
    idle_unload_s: float | None = Field(None, gt=0)
    max_loaded: int = Field(1, ge=1, le=64)
    queue_requests: int = Field(256, ge=1, description="requests admitted and not yet done")
