"""API keys: who may use the server. Secrets come from the environment only."""

import hashlib
import hmac
import os
from collections.abc import Iterable, Mapping

from deployments.errors import AuthenticationFailed

VARIABLE = "ANTIPHON_API_KEYS"


class ApiKeys:
    """The set of keys that are let in; an empty set lets everybody in. Only digests are kept."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._digests = tuple(_digest(key.encode()) for key in keys)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "ApiKeys":
        """The comma-separated keys of ``ANTIPHON_API_KEYS``.

        Raises ValueError if the variable is set but holds no key: that is a mistake, not an open door.
        """
        keys = [key.strip() for key in environment.get(VARIABLE, "").split(",") if key.strip()]
        if VARIABLE in environment and not keys:
            raise ValueError(f"{VARIABLE} is set but holds no key; unset it to let everybody in")
        return cls(keys)

    def check(self, authorization: bytes | None) -> None:
        """Let the value of an ``Authorization`` header in, or raise AuthenticationFailed.

        Takes the same time for every wrong key.
        """
        if not self._digests:
            return
        scheme, _, key = (authorization or b"").strip().partition(b" ")
        if scheme.lower() != b"bearer" or not key.strip():
            raise AuthenticationFailed("This server wants an API key: send `Authorization: Bearer KEY`.")
        sent = _digest(key.strip())
        if sum(hmac.compare_digest(sent, known) for known in self._digests) == 0:
            raise AuthenticationFailed("The API key is not one that this server knows.")


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
