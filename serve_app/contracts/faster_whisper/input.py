"""What an input of worker-faster_whisper asks for: its options, their defaults, its sentences about wrong ones."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deployments.errors import InvalidRequest
from serve_app.contracts.audio import JobAudio, audio_at, audio_in
from serve_app.contracts.contract import JobContext, JobInput
from serve_app.contracts.options import OPTIONS, model_name
from serve_app.tasks.transcription.fields import BY_NAME

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
MORE = OPTIONS - SCHEMA.keys()  # options of HTTP's form, which its own parser reads
DETECTION = frozenset({"vad_filter", "chunking_strategy"})  # what else turns voice activity detection on
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
        f"Unexpected input. {_shown(key)} is not a valid input option."
        for key in job_input
        if key not in SCHEMA and key not in MORE
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
    more = {name: job_input[name] for name in MORE & job_input.keys() if job_input[name] is not None}
    options = {name: values[name] for name in DECODING} | {
        "temperature": _ladder(values["temperature"], values["temperature_increment_on_fallback"]),
    }
    if "enable_vad" in job_input or not DETECTION & more.keys():
        options["vad_filter"] = _detection(values["enable_vad"], more)
    named = {BY_NAME[name].name for name in more}  # defaults give way to other names of the same option
    defaults = {name for name in options.keys() - job_input.keys() if BY_NAME[name].name in named}
    options = {name: value for name, value in options.items() if name not in defaults} | more
    return FasterWhisperJob(values, model_name(values["model"], context), options)


def _detection(enabled: bool, more: Mapping[str, Any]) -> bool:
    """Whether to detect speech. Raises InvalidRequest for options of a detection that is off."""
    if "vad_filter" in more:
        sentence = "`enable_vad` and `vad_filter` mean the same; send only one of them."
        raise InvalidRequest(sentence, param="vad_filter")
    for name, value in more.items():
        if not enabled and value and (name == "vad_parameters" or BY_NAME[name].target.startswith("vad.")):
            raise InvalidRequest(f"`{name}` does nothing while `enable_vad` is false; set it to true.", param=name)
    return enabled


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
