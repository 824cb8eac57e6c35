"""The one way in. Every entrance calls the gateway; none talks to a deployment.

It resolves the model, gives the request its deadline and sends it to a replica. ``deployments.calls``, which it is
given, tries again when a replica dies, turns everything that can go wrong into the exception tree, and cancels the
replica's work when the caller leaves.
"""

import asyncio
import logging
from collections.abc import Mapping

from deployments.model_state import ModelState, most_telling
from serve_app.gateway.classification import ClassificationGateway
from serve_app.gateway.speech import SpeechGateway
from serve_app.gateway.transcription import TranscriptionGateway

logger = logging.getLogger("ray.serve")

STATES_TIMEOUT_S = 2.0


class Gateway(TranscriptionGateway, ClassificationGateway, SpeechGateway):
    """Typed requests in, typed results or async iterators out."""

    async def states(self) -> Mapping[str, ModelState]:
        """What every model is doing, by id. One nobody has heard of is ``starting``, or ``idle`` if it loads on
        demand: it may have no replica until somebody asks for it.
        """
        try:
            reported = await asyncio.wait_for(self._states.snapshot.remote(), STATES_TIMEOUT_S)
        except Exception:
            logger.warning("the state board does not answer", exc_info=True)
            reported = {}
        return {
            entry.id: most_telling(reported.get(entry.id, []))
            if entry.id in reported or entry.config.load == "startup"
            else ModelState("idle")
            for entry in self.models.entries
        }
