"""What models do: a row per task."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from serve_app.config.jobs import ContractName

ModelTask = Literal["transcription", "classification", "speech"]


@dataclass(frozen=True, slots=True)
class TaskRow:
    """What is different from task to task.

    ``endpoint`` is the task's own endpoint of the job service. ``hosted_names`` are names that clients of hosted
    services send; each answers with the default model of the task. ``contracts`` are those that belong to it.
    ``queue_unit`` is what its queues are measured in: ``queued_`` and the unit is the key that clients see.
    """

    endpoint: str
    hosted_names: tuple[str, ...]
    contracts: tuple[ContractName, ...]
    queue_unit: str


TASKS: Mapping[ModelTask, TaskRow] = {
    "transcription": TaskRow(
        endpoint="transcribe",
        hosted_names=("whisper-1",),
        contracts=("ivrit", "ivrit-legacy", "faster-whisper"),
        queue_unit="audio_s",
    ),
    "classification": TaskRow(
        endpoint="classify",
        hosted_names=(
            "omni-moderation-latest",
            "omni-moderation-2024-09-26",
            "text-moderation-latest",
            "text-moderation-stable",
        ),
        contracts=("hate-speech",),
        queue_unit="tokens",
    ),
    "speech": TaskRow(
        endpoint="speech",
        hosted_names=("tts-1", "tts-1-hd", "gpt-4o-mini-tts", "s1", "s2-pro", "speech-1.5", "speech-1.6"),
        contracts=("fish-speech",),
        queue_unit="chars",
    ),
}
BUILT_IN_ENDPOINTS: Mapping[str, ModelTask] = {row.endpoint: task for task, row in TASKS.items()}
CONTRACT_TASKS: Mapping[str, ModelTask] = {
    contract: task for task, row in TASKS.items() for contract in row.contracts
}
