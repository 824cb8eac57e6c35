"""What a job asks for beside its input, in RunPod's words: read strictly from clients, leniently from RunPod."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from deployments.errors import InvalidRequest
from serve_app.fields.form_values import value_in_words

WEEK_S = 7 * 86_400.0
WEEK_MS = int(WEEK_S) * 1_000
SHORTEST_EXECUTION_MS, SHORTEST_TTL_MS = 5_000, 10_000
LONGEST_URL = 2_048
LONGEST_TEXT = 1_024
_WHOLE = re.compile(r"\d{1,15}(\.0+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class S3Target:
    """Where a job wants big results to be put, in RunPod's words. ``access_secret`` is never logged or shown."""

    endpoint_url: str
    access_id: str
    access_secret: str
    bucket_name: str
    object_path: str = ""

    def __repr__(self) -> str:
        return f"S3Target({self.endpoint_url!r}, {self.bucket_name!r})"


@dataclass(frozen=True, slots=True)
class JobOptions:
    """What a job asks for beside its input. ``execution_timeout_s`` 5 s to 7 days, ``ttl_s`` 10 s to 7 days.

    ``inline``: the output is never replaced by a link.
    """

    webhook: str | None = None
    execution_timeout_s: float = 600.0
    ttl_s: float = 86_400.0
    low_priority: bool = False
    s3: S3Target | None = None
    batch: str | None = None
    inline: bool = False


def client_options(body: Mapping[str, Any]) -> JobOptions:
    """The options of a client's body: ``webhook``, ``policy`` and ``s3Config``. Raises InvalidRequest."""
    if body.get("webhookV2") is not None:
        raise InvalidRequest("`webhookV2` is not known here; send `webhook`.", param="webhookV2")
    policy, s3 = _object(body, "policy"), _object(body, "s3Config")
    default = JobOptions()
    return JobOptions(
        webhook=_url(body, "webhook", "webhook"),
        execution_timeout_s=_seconds(
            policy, "executionTimeout", SHORTEST_EXECUTION_MS, default.execution_timeout_s
        ),
        ttl_s=_seconds(policy, "ttl", SHORTEST_TTL_MS, default.ttl_s),
        low_priority=_flag(policy, "lowPriority"),
        s3=_s3_target(s3) if s3 else None,
    )


def forwarded_options(job: Mapping[str, Any], timeout_s: float) -> JobOptions:
    """The options of a job that RunPod has accepted already and sends to a worker: ``policy.executionTimeout``
    and ``s3Config``. What is wrong in them counts as absent; ``timeout_s`` holds without an execution timeout.
    """
    policy, s3 = job.get("policy"), job.get("s3Config")
    given = policy.get("executionTimeout") if isinstance(policy, Mapping) else None
    if isinstance(given, int | float) and not isinstance(given, bool) and given > 0:
        timeout_s = min(given, WEEK_MS) / 1_000 or timeout_s
    target = _complete_s3_target(s3) if isinstance(s3, Mapping) else None
    return JobOptions(execution_timeout_s=timeout_s, s3=target)


def _s3_target(config: Mapping[str, Any]) -> S3Target:
    endpoint = _url(config, "endpointUrl", "s3Config.endpointUrl")
    if endpoint is None:
        raise InvalidRequest("`s3Config.endpointUrl` is missing.", param="s3Config")
    return S3Target(
        endpoint,
        _text(config, "accessId"),
        _text(config, "accessSecret"),
        _text(config, "bucketName"),
        _text(config, "objectPath", ""),
    )


def _complete_s3_target(config: Mapping[str, Any]) -> S3Target | None:
    needed = [config.get(name) for name in ("endpointUrl", "accessId", "accessSecret", "bucketName")]
    if not all(isinstance(value, str) and value for value in needed):
        return None
    url, key, secret, bucket = map(str, needed)
    return S3Target(url, key, secret, bucket, str(config.get("objectPath") or ""))


def _object(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidRequest(f"`{name}` has to be a JSON object, not {value_in_words(value)}.", param=name)
    return value


def _seconds(policy: Mapping[str, Any], name: str, low: int, default: float) -> float:
    """Milliseconds, also as text: that is how protocol buffers write them."""
    value = policy.get(name)
    if value is None:
        return default
    text = "" if isinstance(value, bool) else str(value).strip() if isinstance(value, int | float | str) else ""
    if not _WHOLE.fullmatch(text) or not low <= float(text) <= WEEK_MS:
        raise InvalidRequest(
            f"`policy.{name}` has to be a whole number from {low} to {WEEK_MS} milliseconds, "
            f"not {value_in_words(value)}.",
            param="policy",
        )
    return float(text) / 1_000


def _flag(policy: Mapping[str, Any], name: str) -> bool:
    value = policy.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise InvalidRequest(f"`policy.{name}` has to be true or false, not {value_in_words(value)}.", param="policy")


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


def _text(config: Mapping[str, Any], name: str, default: str | None = None) -> str:
    value = config.get(name, default)
    fits = isinstance(value, str) and len(value) <= LONGEST_TEXT and value.isprintable()
    if fits and (value or default is not None):
        return str(value)
    # The value is not quoted: it may be a secret.
    raise InvalidRequest(
        f"`s3Config.{name}` has to be a printable text of 1 to {LONGEST_TEXT} characters.", param="s3Config"
    )
