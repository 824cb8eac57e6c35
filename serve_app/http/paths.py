"""The path of a request, and the API family that it belongs to."""

from starlette.types import Scope

JOBS = "/v2"


def path_of(scope: Scope) -> str:
    """The path below the prefix under which the application is served."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "")) or "/"


def is_job_path(scope: Scope) -> bool:
    """Whether the path belongs to the job API, which has its own shape of errors and takes keys in more places."""
    path = path_of(scope)
    return path == JOBS or path.startswith(JOBS + "/")
