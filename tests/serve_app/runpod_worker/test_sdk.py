"""What the worker relies on in RunPod's SDK, and how many jobs it asks it for."""

import pytest

from serve_app.failures import StartFailed
from serve_app.runpod_worker import sdk


def test_an_sdk_that_has_changed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    sdk._check()
    monkeypatch.setattr(sdk.rp_job, "handle_job", lambda session, job: None)
    monkeypatch.setattr(sdk, "SETTINGS", (*sdk.SETTINGS, "gone"))
    with pytest.raises(StartFailed, match=r"lacks rp_job\.handle_job, rp_scale\.JobScaler\.gone"):
        sdk._check()


def test_concurrency_is_high_and_bounded() -> None:
    assert sdk.concurrency([2]) == 16
    assert sdk.concurrency([64, 256]) == 160
    assert sdk.concurrency([10_000, 1]) == 300
