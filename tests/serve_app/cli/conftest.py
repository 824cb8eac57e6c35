"""Commands that no server of this machine takes part in by accident."""

import pytest

from serve_app.cli import servers
from serve_app.cli.commands import voices  # noqa: F401 - its options keep the default of the time of its import


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "DEFAULT_SERVER", "http://127.0.0.1:9")
    monkeypatch.delenv("ANTIPHON_SERVER", raising=False)
    monkeypatch.delenv("ANTIPHON_API_KEY", raising=False)
