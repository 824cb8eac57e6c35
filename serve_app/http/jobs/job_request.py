"""The body of ``run`` and ``runsync``: a job's input, and its options beside it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from deployments.errors import InvalidRequest
from serve_app.fields.form_values import quoted
from serve_app.http.jobs.credentials import NAMES
from serve_app.jobs.protocol import JobRequest
from serve_app.jobs.types import JobOptions, S3Target

WEEK_MS = 604_800_000
LONGEST_URL = 2_048
LONGEST_TEXT = 1_024
KNOWN = frozenset({"input", "webhook", "policy", "s3Config", *NAMES})
_WHOLE = re.compile(r"\d{1,15}(\.0+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Submission:
    """A body, read. ``ignored`` are its keys that nothing here knows."""

    request: JobRequest
    ignored: tuple[str, ...] = ()


def submission(body: Any) -> Submission:
    """The job that a body asks for. Raises InvalidRequest.

    An absent input is an empty one: the SingularityNET daemon leaves out what is empty.
    """
    if not isinstance(body, dict):
        raise InvalidRequest('The request body has to be a JSON object such as {"input": {...}}.')
    job_input = body.get("input")
    if job_input is None:
        job_input = {}
    if not isinstance(job_input, dict):
        raise InvalidRequest(f"`input` has to be a JSON object, not {_told(job_input)}.", param="input")
    return Submission(JobRequest(job_input, options(body)), tuple(name for name in body if name not in KNOWN))


def submissions(body: Any) -> Sequence[JobRequest]:
    """The jobs of a batch's body: a list, or an object with one as ``requests``. Raises InvalidRequest."""
    bodies = body.get("requests") if isinstance(body, dict) else body
    if not isinstance(bodies, list):
        raise InvalidRequest(
            'The request body has to be a list of jobs such as [{"input": {...}}], or {"requests": [...]}.',
            param="requests",
        )
    found = []
    for number, entry in enumerate(bodies, 1):
        try:
            found.append(submission(entry).request)
        except InvalidRequest as error:
            raise InvalidRequest(f"Request {number} of the batch: {error.message}", param=error.param) from error
    return found


def options(body: Mapping[str, Any]) -> JobOptions:
    """The options beside an input. Raises InvalidRequest."""
    if body.get("webhookV2") is not None:
        raise InvalidRequest("`webhookV2` is not known here; send `webhook`.", param="webhookV2")
    policy, s3 = _object(body, "policy"), _object(body, "s3Config")
    default = JobOptions()
    return JobOptions(
        webhook=_url(body, "webhook", "webhook"),
        execution_timeout_s=_seconds(policy, "executionTimeout", 5_000, default.execution_timeout_s),
        ttl_s=_seconds(policy, "ttl", 10_000, default.ttl_s),
        low_priority=_flag(policy, "lowPriority"),
        s3=_s3(s3) if s3 else None,
    )


def _s3(found: Mapping[str, Any]) -> S3Target:
    endpoint = _url(found, "endpointUrl", "s3Config.endpointUrl")
    if endpoint is None:
        raise InvalidRequest("`s3Config.endpointUrl` is missing.", param="s3Config")
    return S3Target(
        endpoint,
        _text(found, "accessId"),
        _text(found, "accessSecret"),
        _text(found, "bucketName"),
        _text(found, "objectPath", ""),
    )


def _object(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidRequest(f"`{name}` has to be a JSON object, not {_told(value)}.", param=name)
    return value


def _seconds(policy: Mapping[str, Any], name: str, low: int, default: float) -> float:
    """Milliseconds, also as text: that is how protocol buffers write them."""
    value = policy.get(name)
    if value is None:
        return default
    text = "" if isinstance(value, bool) else str(value).strip() if isinstance(value, int | float | str) else ""
    if not _WHOLE.fullmatch(text) or not low <= float(text) <= WEEK_MS:
        raise InvalidRequest(
            f"`policy.{name}` has to be a whole number from {low} to {WEEK_MS} milliseconds, not {_told(value)}.",
            param="policy",
        )
    return float(text) / 1_000


def _flag(policy: Mapping[str, Any], name: str) -> bool:
    value = policy.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise InvalidRequest(f"`policy.{name}` has to be true or false, not {_told(value)}.", param="policy")


def _url(body: Mapping[str, Any], name: str, label: str) -> str | None:
    value = body.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, str) and len(value) <= LONGEST_URL and _is_url(value):
        return value
    raise InvalidRequest(
        f"`{label}` has to be an http or https URL of at most {LONGEST_URL} characters.",
        param=label.partition(".")[0],
    )


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return (
            parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and text.isprintable()
        )
    except ValueError:
        return False


def _text(body: Mapping[str, Any], name: str, default: str | None = None) -> str:
    value = body.get(name, default)
    fits = isinstance(value, str) and len(value) <= LONGEST_TEXT and value.isprintable()
    if fits and (value or default is not None):
        return str(value)
    # The value is not quoted: it may be a secret.
    raise InvalidRequest(
        f"`s3Config.{name}` has to be a printable text of 1 to {LONGEST_TEXT} characters.", param="s3Config"
    )


def _told(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)[:40]
        case str():
            return quoted(value)
        case list():
            return "a list"
    return "an object"
