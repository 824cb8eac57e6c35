"""The path of a request, and the API family that it belongs to."""

import re

from starlette.types import Scope

JOBS = "/v2"
_OPENAI = re.compile(r"/v2/[^/]*/openai/")


def path_of(scope: Scope) -> str:
    """The path below the prefix under which the application is served."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "")) or "/"


def is_job_path(scope: Scope) -> bool:
    """Whether the path belongs to the job API, which takes keys in more places."""
    path = path_of(scope)
    return path == JOBS or path.startswith(JOBS + "/")


def has_plain_errors(scope: Scope) -> bool:
    """Whether an error is RunPod's sentence. Those of an endpoint's OpenAI routes are read by OpenAI's clients."""
    return is_job_path(scope) and not _OPENAI.match(path_of(scope))
