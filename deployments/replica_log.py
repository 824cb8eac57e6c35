"""What a replica writes into Serve's log about requests that failed."""

import logging

from deployments.errors import AntiphonError


def quiet_client_errors() -> None:
    """Serve writes a traceback for every exception; a client's mistake or a 429 becomes one line here."""
    logging.getLogger("ray.serve").addFilter(without_client_tracebacks)


def without_client_tracebacks(record: logging.LogRecord) -> bool:
    """The log filter behind it."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, AntiphonError) and error.status < 500:
        record.exc_info = record.exc_text = None
        record.msg, record.args = f"{record.getMessage()} {error.code}: {error.message}", ()
    return True
