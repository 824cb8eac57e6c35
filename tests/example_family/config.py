"""Settings of a model."""

from pydantic import Field

from deployments.model_config import ModelConfig


class EchoConfig(ModelConfig):
    """``queue_words``: words admitted and not yet said."""

    queue_words: int = Field(100, ge=1)
