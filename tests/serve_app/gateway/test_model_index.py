"""Names of models that clients cannot be talked out of."""

import pytest

from deployments.errors import ModelNotFound
from serve_app.config.models import WhisperEntry
from serve_app.config.tasks import ModelTask
from serve_app.gateway.model_index import ModelIndex
from tests.serve_app.http.speech_stub import SPEECH_MODEL
from tests.serve_app.http.stub import MODELS

FROM_THE_FIELD: dict[ModelTask, tuple[str, ...]] = {
    "transcription": (
        *("whisper-1", "Whisper-1", "whisper", "gpt-4o-transcribe", "gpt-4o-mini-transcribe", "large-v3"),
        *("gpt-4o-mini-transcribe-2025-12-15", "gpt-4o-transcribe-2025-03-20", "whisper-large-v3-turbo"),
    ),
    "speech": (
        *("tts-1", "tts-1-hd", "tts-1-1106", "tts-1-hd-1106", "gpt-4o-mini-tts", "gpt-4o-mini-tts-2025-03-20"),
        *("gpt-4o-mini-tts-2025-12-15", "s1", "s1-mini", "s2-pro", "s2.1-pro", "speech-1.6", "agent-x0"),
    ),
    "classification": (
        *("text-moderation-007", "text-moderation-stable", "text-moderation-latest"),
        *("omni-moderation-latest", "omni-moderation-2024-09-26"),
    ),
}
DEFAULTS = {"transcription": "sample-asr", "speech": SPEECH_MODEL.id, "classification": "sample-classifier"}
INDEX = ModelIndex([*MODELS, SPEECH_MODEL])


@pytest.mark.parametrize(
    ("task", "name"), [(task, name) for task, names in FROM_THE_FIELD.items() for name in names]
)
def test_hosted_names_are_the_default_model(task: ModelTask, name: str) -> None:
    assert INDEX.resolve(task, name).entry.id == DEFAULTS[task]
    assert INDEX.find(name) is INDEX.default(task)


@pytest.mark.parametrize(
    "name", ["tts", "whisper-2", "tts-1-11", "tts-1-2025-1-1", "gpt-4o", "gpt-4o-2024-08-06", "-1106"]
)
def test_other_names_are_not(name: str) -> None:
    with pytest.raises(ModelNotFound):
        INDEX.resolve("speech", name)


def test_a_models_own_names_come_first() -> None:
    large = WhisperEntry(id="large-v3", aliases=("tts-1-1106",), config={"source": "samples/asr/model"})
    index = ModelIndex([*MODELS, large, SPEECH_MODEL])
    assert index.find("large-v3") is index.find("tts-1-1106") is large
    assert index.find("tts-1") is SPEECH_MODEL
    assert "large-v3" not in index.aliases(MODELS[0])
