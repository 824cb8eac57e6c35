"""``voice.json``: what people say of a voice, and since when it is kept. It is ours, and optional."""

import json
import logging

from pydantic import ConfigDict, Field, ValidationError

from deployments.fish_speech.types import VoiceDetails

logger = logging.getLogger(__name__)

METADATA = "voice.json"
LARGEST_METADATA = 1 << 20
"""Bytes; a larger file is not ours."""


class Metadata(VoiceDetails):
    """The content of a ``voice.json``. Times are Unix times in seconds, None where the files' times have to do."""

    model_config = ConfigDict(extra="ignore")

    created: float | None = Field(None, allow_inf_nan=False)
    updated: float | None = Field(None, allow_inf_nan=False)

    @property
    def details(self) -> VoiceDetails:
        """The part that people wrote."""
        return VoiceDetails(**self.model_dump(include=set(VoiceDetails.model_fields)))

    @staticmethod
    def written(details: VoiceDetails, created: float, updated: float) -> bytes:
        """A ``voice.json`` that says this."""
        values = details.model_dump(mode="json") | {"created": created, "updated": updated}
        return (json.dumps(values, ensure_ascii=False, indent=2) + "\n").encode()

    @classmethod
    def read(cls, content: bytes, path: str) -> "Metadata":
        """What the ``voice.json`` at ``path`` says; nothing if it is none of ours."""
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            logger.warning("%s is ignored: %s", path, error)
            return cls()
