"""The webhooks that the ivrit worker promises: transcription started, completed, failed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from deployments.errors import AntiphonError, InvalidRequest
from serve_app.config.jobs import WebhooksConfig
from serve_app.contracts.contract import JobContext, JobInput, Notice

LONGEST_URL = 2_048
LONGEST_ID = 1_024

FileValue = list[dict[str, Any]] | AntiphonError
"""The segments of a file, or why there are none."""


@dataclass(frozen=True, slots=True)
class IvritWebhook:
    """Where a job's webhooks go, and the name by which the receiver knows the recording."""

    url: str
    recording_id: str | int | None
    settings: WebhooksConfig

    def started(self) -> Notice:
        """The webhook that is sent once the input has been understood."""
        return self._notice("transcribing")

    def completed(self, files: Sequence[FileValue], *, batch: bool) -> Notice:
        """The webhook with the transcript: segments or, where the configuration says so, text. For a list of files
        it is a list of transcripts.
        """
        as_text = self.settings.completion == "text"
        transcriptions = [
            _failure(file) if isinstance(file, AntiphonError) else _transcript(file, as_text) for file in files
        ]
        status = "transcribed" if as_text else "completed"
        transcription = transcriptions if batch else transcriptions[0]
        return replace(self._notice(status, transcription=transcription), with_end=True)

    def failed(self, error: AntiphonError) -> Notice:
        """The webhook that is sent if the job has failed."""
        return self._notice("transcription_failed", error=error.message)

    def _notice(self, status: str, **more: Any) -> Notice:
        timestamp = datetime.now(UTC).isoformat(timespec="milliseconds") if self.settings.timestamp else None
        payload = {"recording_id": self.recording_id, "status": status, "timestamp": timestamp, **more}
        return Notice(self.url, status, payload)


def webhook_of(job_input: JobInput, context: JobContext) -> IvritWebhook | None:
    """The webhook that an input asks for, beside ``transcribe_args`` or inside, where the ``ivrit`` package puts
    what it does not know. Raises InvalidRequest.
    """
    url = _found(job_input, "webhook_url")
    if url is None or url == "":
        return None
    recording = _found(job_input, "recording_id")
    if not _is_address(url):
        raise InvalidRequest(
            f"`webhook_url` has to be an http or https address of at most {LONGEST_URL} characters.",
            param="webhook_url",
        )
    if not (recording is None or _is_id(recording)):
        raise InvalidRequest(
            f"`recording_id` has to be a text of at most {LONGEST_ID} characters, or a whole number.",
            param="recording_id",
        )
    return IvritWebhook(url, recording, context.webhooks)


def failed_webhook_of(job_input: JobInput, context: JobContext) -> IvritWebhook | None:
    """The same for an input that may be wrong in any way. Never raises."""
    url, recording = _found(job_input, "webhook_url"), _found(job_input, "recording_id")
    return (
        IvritWebhook(url, recording if _is_id(recording) else None, context.webhooks) if _is_address(url) else None
    )


def _found(job_input: JobInput, key: str) -> Any:
    arguments = job_input.get("transcribe_args")
    inner = arguments.get(key) if isinstance(arguments, Mapping) else None
    outer = job_input.get(key)
    return inner if outer is None else outer


def _is_address(url: object) -> bool:
    return (
        isinstance(url, str)
        and len(url) <= LONGEST_URL
        and url.lower().startswith(("http://", "https://"))
        and url.isprintable()
        and " " not in url
    )


def _is_id(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= LONGEST_ID
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def _transcript(segments: list[dict[str, Any]], as_text: bool) -> Any:
    return " ".join(segment["text"] for segment in segments) if as_text else segments


def _failure(error: AntiphonError) -> dict[str, str]:
    return {"error": error.message}
