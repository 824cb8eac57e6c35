"""What models do: a row per task."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from serve_app.config.jobs import ContractName

ModelTask = Literal["transcription", "classification", "speech"]


@dataclass(frozen=True, slots=True)
class TaskRow:
    """What is different from task to task.

    ``endpoint`` is the task's own endpoint of the job service. ``hosted_names`` are names that clients send as
    they know no others: models of hosted services, the largest Whisper. Each answers with the default model of the
    task, in any case and with any date (see ``spellings``). ``contracts`` are those that belong to it.
    ``queue_unit`` is what its queues are measured in: ``queued_`` and the unit is the key that clients see.
    """

    endpoint: str
    hosted_names: tuple[str, ...]
    contracts: tuple[ContractName, ...]
    queue_unit: str


TASKS: Mapping[ModelTask, TaskRow] = {
    "transcription": TaskRow(
        endpoint="transcribe",
        hosted_names=(
            *("whisper-1", "whisper", "gpt-4o-transcribe", "gpt-4o-mini-transcribe"),
            *("whisper-large-v3", "whisper-large-v3-turbo", "large-v3", "large-v3-turbo"),
        ),
        contracts=("ivrit", "ivrit-legacy", "faster-whisper"),
        queue_unit="audio_s",
    ),
    "classification": TaskRow(
        endpoint="classify",
        hosted_names=("omni-moderation-latest", "text-moderation-latest", "text-moderation-stable"),
        contracts=("hate-speech",),
        queue_unit="tokens",
    ),
    "speech": TaskRow(
        endpoint="speech",
        hosted_names=(
            *("tts-1", "tts-1-hd", "gpt-4o-mini-tts"),
            *("s1", "s1-mini", "s2-pro", "s2.1-pro", "s2.1-pro-free", "speech-1.5", "speech-1.6", "agent-x0"),
        ),
        contracts=("fish-speech",),
        queue_unit="chars",
    ),
}
BUILT_IN_ENDPOINTS: Mapping[str, ModelTask] = {row.endpoint: task for task, row in TASKS.items()}
CONTRACT_TASKS: Mapping[str, ModelTask] = {
    contract: task for task, row in TASKS.items() for contract in row.contracts
}
_DATED = re.compile(r"(.+?)-(?:\d{3,4}|\d{4}-\d{2}-\d{2})")


def spellings(name: str) -> Iterator[str]:
    """The hosted names that a client's may be: in lower case, without its date, and the latest of its kind.

    ``tts-1-hd-1106`` is ``tts-1-hd``, ``text-moderation-007`` is ``text-moderation-latest``.
    """
    plain = name.lower()
    yield plain
    if dated := _DATED.fullmatch(plain):
        yield dated[1]
        yield f"{dated[1]}-latest"
