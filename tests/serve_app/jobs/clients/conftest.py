"""One server for the clients of a module."""

from collections.abc import Iterator

import pytest

from tests.serve_app.http.speaking import SpeakingGateway
from tests.serve_app.http.stub import SCRIPT
from tests.serve_app.jobs.clients.site import Served, serving_site


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    endpoints = {"strict": {"model": "sample-classifier", "http_errors": True}}
    with serving_site(tmp_path_factory.mktemp("jobs"), endpoints=endpoints) as served:
        yield served


@pytest.fixture
def served(shared: Served) -> Served:
    shared.gateway.script = SCRIPT
    shared.gateway.hindrances = ()
    shared.gateway.requests.clear()
    shared.gateway.speech_requests.clear()
    shared.gateway.uploads.clear()
    shared.gateway.closed = 0
    return shared


@pytest.fixture
def gateway(served: Served) -> SpeakingGateway:
    return served.gateway
