"""Signatures, checked as receivers check them."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from serve_app.jobs.webhooks.signature import Secret, encode, headers, read_secrets

KEY = b"0123456789abcdef0123456789abcdef"
STANDARD = "whsec_" + base64.b64encode(KEY).decode()
PAYLOADS = st.dictionaries(
    st.text(),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ),
)


def parsed_verifier(body: bytes, signature: str, secret: str) -> bool:
    """As the documentation of ivrit's worker has it: what was parsed is written again, keys sorted."""
    again = json.dumps(json.loads(body), sort_keys=True)
    return hmac.compare_digest(hmac.new(secret.encode(), again.encode(), hashlib.sha256).hexdigest(), signature)


def raw_verifier(body: bytes, signature: str, secret: str) -> bool:
    """As most receivers do it: the bytes as they came."""
    return hmac.compare_digest(hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(), signature)


def secrets(text: str) -> tuple[Secret, ...]:
    return read_secrets({"WEBHOOK_SECRET": text})


@given(PAYLOADS, st.sampled_from(["plain", "schlüssel-ключ", STANDARD]))
def test_all_three_verifiers_take_it(payload: dict[str, Any], text: str) -> None:
    body = encode(payload).encode()
    sent = headers(body, "msg_1", time.time(), secrets(text))
    assert parsed_verifier(body, sent["X-Webhook-Signature"], text)
    assert raw_verifier(body, sent["X-Webhook-Signature"], text)
    standard = Webhook(text) if text == STANDARD else Webhook(text.encode())
    assert standard.verify(body, sent) == payload


def test_what_is_changed_is_refused() -> None:
    body = encode({"a": 1}).encode()
    sent = headers(body, "msg_1", time.time(), secrets(STANDARD))
    for changed in ({"webhook-id": "msg_2"}, {"webhook-timestamp": str(int(time.time()) + 1)}):
        with pytest.raises(WebhookVerificationError):
            Webhook(STANDARD).verify(body, sent | changed)
    with pytest.raises(WebhookVerificationError):
        Webhook(STANDARD).verify(body + b" ", sent)
    assert not raw_verifier(body + b" ", sent["X-Webhook-Signature"], STANDARD)


def test_an_old_one_sent_again_is_refused() -> None:
    body = b"{}"
    sent = headers(body, "msg_1", time.time() - 600, secrets(STANDARD))
    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(STANDARD).verify(body, sent)


def test_while_secrets_rotate_both_verify() -> None:
    new, old = "whsec_" + base64.b64encode(b"n" * 24).decode(), STANDARD
    body = b"{}"
    sent = headers(body, "msg_1", time.time(), secrets(f" {new}\n{old} "))
    Webhook(new).verify(body, sent)
    Webhook(old).verify(body, sent)
    assert len(sent["webhook-signature"].split(" ")) == 2
    assert raw_verifier(body, sent["X-Webhook-Signature"], new)


@pytest.mark.parametrize("environment", [{}, {"WEBHOOK_SECRET": ""}, {"WEBHOOK_SECRET": "  "}])
def test_without_a_secret_there_are_id_and_time_only(environment: dict[str, str]) -> None:
    assert headers(b"{}", "msg_1", 1_700_000_000.9, read_secrets(environment)) == {
        "Content-Type": "application/json",
        "webhook-id": "msg_1",
        "webhook-timestamp": "1700000000",
    }


@pytest.mark.parametrize("text", ["whsec_", "whsec_!!!!", "whsec_abcde"])
def test_a_secret_that_is_no_base64_is_told_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match="base64") as caught:
        secrets(text)
    assert text.removeprefix("whsec_") in ("", *[t for t in ("!!!!", "abcde") if t not in str(caught.value)])


def test_secrets_do_not_show() -> None:
    shown = repr(secrets(f"{STANDARD} plain-secret"))
    assert "plain-secret" not in shown
    assert "0123456789" not in shown


def test_unpadded_base64_is_taken() -> None:
    assert secrets(STANDARD.rstrip("="))[0].key == KEY
