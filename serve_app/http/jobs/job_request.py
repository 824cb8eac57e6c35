"""The body of ``run`` and ``runsync``: a job's input, and its options beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from deployments.errors import InvalidRequest
from serve_app.fields.form_values import value_in_words
from serve_app.http.jobs.credentials import NAMES
from serve_app.jobs.options import client_options
from serve_app.jobs.protocol import JobRequest

KNOWN = frozenset({"input", "webhook", "policy", "s3Config", *NAMES})


@dataclass(frozen=True, slots=True)
class Submission:
    """A body, read. ``ignored`` are its keys that nothing here knows."""

    request: JobRequest
    ignored: tuple[str, ...] = ()


def submission(body: Any) -> Submission:
    """The job that a body asks for. Raises InvalidRequest.

    An absent input is an empty one: the SingularityNET daemon leaves out what is empty.
    """
    if not isinstance(body, dict):
        raise InvalidRequest('The request body has to be a JSON object such as {"input": {...}}.')
    job_input = body.get("input")
    if job_input is None:
        job_input = {}
    if not isinstance(job_input, dict):
        raise InvalidRequest(f"`input` has to be a JSON object, not {value_in_words(job_input)}.", param="input")
    return Submission(
        JobRequest(job_input, client_options(body)), tuple(name for name in body if name not in KNOWN)
    )


def submissions(body: Any) -> Sequence[JobRequest]:
    """The jobs of a batch's body: a list, or an object with one as ``requests``. Raises InvalidRequest."""
    bodies = body.get("requests") if isinstance(body, dict) else body
    if not isinstance(bodies, list):
        raise InvalidRequest(
            'The request body has to be a list of jobs such as [{"input": {...}}], or {"requests": [...]}.',
            param="requests",
        )
    requests = []
    for number, entry in enumerate(bodies, 1):
        try:
            requests.append(submission(entry).request)
        except InvalidRequest as error:
            raise InvalidRequest(f"Request {number} of the batch: {error.message}", param=error.param) from error
    return requests
