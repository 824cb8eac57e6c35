"""One server for the clients of a module."""

from collections.abc import Iterator

import pytest

from tests.serve_app.http.speaking import SpeakingBackend
from tests.serve_app.http.stub import SCRIPT
from tests.serve_app.jobs.clients.site import Served, serving_site


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    endpoints = {"strict": {"model": "sample-classifier", "http_errors": True}}
    with serving_site(tmp_path_factory.mktemp("jobs"), endpoints=endpoints) as served:
        yield served


@pytest.fixture
def served(shared: Served) -> Served:
    shared.backend.script = SCRIPT
    shared.backend.hindrances = ()
    shared.backend.requests.clear()
    shared.backend.speech_requests.clear()
    shared.backend.uploads.clear()
    shared.backend.closed = 0
    return shared


@pytest.fixture
def backend(served: Served) -> SpeakingBackend:
    return served.backend
