"""What an input of worker-faster_whisper asks for: its options, their defaults, its sentences about wrong ones."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deployments.errors import InvalidRequest
from serve_app.contracts.audio import JobAudio, audio_at, audio_in
from serve_app.contracts.contract import JobContext, JobInput
from serve_app.contracts.options import model_name

# Name -> type and default, which null stands for only where the default is null.
SCHEMA: Mapping[str, tuple[type, Any]] = {
    "audio": (str, None),
    "audio_base64": (str, None),
    "model": (str, None),
    "transcription": (str, "plain_text"),
    "translate": (bool, False),
    "translation": (str, "plain_text"),
    "language": (str, None),
    "temperature": (float, 0.0),
    "best_of": (int, 5),
    "beam_size": (int, 5),
    "patience": (float, 1.0),
    "length_penalty": (float, 0.0),
    "suppress_tokens": (str, "-1"),
    "initial_prompt": (str, None),
    "condition_on_previous_text": (bool, True),
    "temperature_increment_on_fallback": (float, 0.2),
    "compression_ratio_threshold": (float, 2.4),
    "logprob_threshold": (float, -1.0),
    "no_speech_threshold": (float, 0.6),
    "enable_vad": (bool, False),
    "word_timestamps": (bool, False),
}
DECODING = frozenset(
    {
        *("language", "best_of", "beam_size", "patience", "length_penalty", "suppress_tokens", "initial_prompt"),
        *("condition_on_previous_text", "compression_ratio_threshold", "logprob_threshold", "no_speech_threshold"),
        "word_timestamps",
    }
)
HOTTEST = 1.0
MAX_TEMPERATURES = 16
MAX_ERRORS = 32
LARGEST = 2**53


@dataclass(frozen=True, slots=True)
class FasterWhisperJob:
    """A parsed input. ``options`` are decoding options by the names that HTTP's form has for them."""

    values: Mapping[str, Any]
    model: str | None
    options: Mapping[str, Any]

    async def audio(self, limit: int) -> JobAudio:
        """The audio, at most ``limit`` bytes. Raises InvalidRequest, ForbiddenUrl, PayloadTooLarge."""
        if self.values["audio"]:
            return audio_at(self.values["audio"], "audio")
        return await audio_in(self.values["audio_base64"], "audio_base64", limit)


def read_input(job_input: JobInput, context: JobContext) -> FasterWhisperJob:
    """The job. Raises InvalidRequest with a line for every mistake, in the words of the original worker."""
    errors = [
        f"Unexpected input. {_shown(key)} is not a valid input option." for key in job_input if key not in SCHEMA
    ]
    values = {}
    for name, (kind, default) in SCHEMA.items():
        value = job_input.get(name, default)
        if kind is float and type(value) is int:
            value = float(value) if abs(value) < LARGEST else math.inf
        values[name] = value
        if not (isinstance(value, kind) or (value is None and default is None)):
            errors.append(f"{name} should be {kind} type, not {type(value)}.")
    if errors:
        raise InvalidRequest("\n".join(errors[:MAX_ERRORS]))
    if not values["audio"] and not values["audio_base64"]:
        raise InvalidRequest("Must provide either audio or audio_base64", param="audio")
    if values["audio"] and values["audio_base64"]:
        raise InvalidRequest("Must provide either audio or audio_base64, not both", param="audio")
    options = {name: values[name] for name in DECODING} | {
        "temperature": _ladder(values["temperature"], values["temperature_increment_on_fallback"]),
        "vad_filter": values["enable_vad"],
    }
    return FasterWhisperJob(values, model_name(values["model"], context), options)


def _ladder(coolest: float, step: float) -> list[float]:
    """Temperatures from the coolest up to 1, a step apart."""
    count = (HOTTEST + 1e-6 - coolest) / step if step > 0 else 0.0
    if not count < MAX_TEMPERATURES:
        raise InvalidRequest(
            f"`temperature_increment_on_fallback` makes more than {MAX_TEMPERATURES} temperatures; enlarge it.",
            param="temperature_increment_on_fallback",
        )
    return [round(coolest + step * number, 6) for number in range(int(max(0.0, count)) + 1)]


def _shown(key: object) -> str:
    return repr(str(key)[:64])[1:-1]
