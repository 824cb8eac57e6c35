"""What Serve's log gets to see of a failed request."""

import logging

from deployments.errors import Overloaded
from deployments.replica_log import without_client_tracebacks


def test_a_clients_mistake_is_logged_without_a_traceback() -> None:
    def record(error: Exception) -> logging.LogRecord:
        return logging.LogRecord(
            "ray.serve", logging.ERROR, "", 1, "Request failed.", (), (type(error), error, None)
        )

    mistake, fault = record(Overloaded("full", retry_after_s=1)), record(RuntimeError("bug"))
    assert without_client_tracebacks(mistake)
    assert without_client_tracebacks(fault)
    assert mistake.exc_info is None
    assert "overloaded" in mistake.getMessage()
    assert fault.exc_info is not None
