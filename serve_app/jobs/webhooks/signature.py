"""Signing webhooks, so that receivers can check that a webhook is ours and not a replay.

Two signatures of the same bytes: ``X-Webhook-Signature``, which receivers of ivrit's worker check, and those of
Standard Webhooks 1.0.0, which cover an id and the time as well.
"""

import base64
import binascii
import hashlib
import hmac
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

VARIABLE = "WEBHOOK_SECRET"
PREFIX = "whsec_"


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """``text`` as it was given, which is the key of ``X-Webhook-Signature``; ``key`` that of Standard Webhooks,
    which is the same unless the text is ``whsec_`` and base64.
    """

    text: bytes
    key: bytes


def read_secrets(environment: Mapping[str, str] = os.environ) -> tuple[Secret, ...]:
    """The secrets of ``WEBHOOK_SECRET``, newest first; several stand apart by blanks. None if it is empty.

    Raises ValueError for a ``whsec_`` that is not base64; the message does not repeat it.
    """
    return tuple(Secret(text.encode(), _key(text)) for text in environment.get(VARIABLE, "").split())


def encode(payload: Mapping[str, Any]) -> str:
    """The body of a webhook, ASCII. Reading it with Python's ``json`` and writing it again with sorted keys gives
    the same text, so that a signature can be checked either way.
    """
    return json.dumps(dict(payload), sort_keys=True)


def headers(body: bytes, webhook_id: str, now: float, secrets: Sequence[Secret]) -> dict[str, str]:
    """The headers of one attempt at ``now`` (Unix time). ``webhook_id`` is the same for all attempts.

    Without secrets there is no signature. With several, ``webhook-signature`` has one by each; the old header has
    room for one, by the newest.
    """
    timestamp = str(int(now))
    sent = {"Content-Type": "application/json", "webhook-id": webhook_id, "webhook-timestamp": timestamp}
    if secrets:
        signed = f"{webhook_id}.{timestamp}.".encode() + body
        sent["webhook-signature"] = " ".join(f"v1,{_base64(secret.key, signed)}" for secret in secrets)
        sent["X-Webhook-Signature"] = hmac.new(secrets[0].text, body, hashlib.sha256).hexdigest()
    return sent


def _base64(key: bytes, signed: bytes) -> str:
    return base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


def _key(text: str) -> bytes:
    if not text.startswith(PREFIX):
        return text.encode()
    encoded = text.removeprefix(PREFIX)
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ValueError(f"{VARIABLE} has a secret that begins with {PREFIX} but does not go on in base64.")
    return key
