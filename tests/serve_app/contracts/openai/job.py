"""Jobs that are requests, for the tests of their contract."""

import base64
from typing import Any

from serve_app.contracts import by_name
from serve_app.contracts.contract import JobContext
from tests.serve_app.http.stub import PATH, WAV, StubGateway

CONTRACT = by_name("openai")
FILE = {"name": WAV[0], "content_type": WAV[2], "data": base64.b64encode(WAV[1]).decode()}


def job(route: str = PATH, **body: Any) -> dict[str, Any]:
    """The input for a request with this body."""
    return {"openai_route": route, "openai_input": body}


def context_with(app: Any, **changes: Any) -> JobContext:
    """A context of any application."""
    return JobContext("job-1", StubGateway(), app, **changes)
