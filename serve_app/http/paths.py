"""The path of a request, and the API family that it belongs to."""

import re

from starlette.types import Scope

JOBS = "/v2"
FISH = ("/v1/tts", "/v1/vqgan", "/v1/references", "/v1/health", "/v1/invoke", "/v1/asr", "/model", "/wallet")
FISH_CLOUD = ("/v1/asr", "/v1/tts/stream", "/model", "/wallet")
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


def is_fish_path(scope: Scope) -> bool:
    """Whether the path belongs to fish-speech's API."""
    return _is_below(path_of(scope), FISH)


def is_fish_cloud_path(scope: Scope) -> bool:
    """Whether only the hosted service has the path, not fish-speech's own server."""
    return _is_below(path_of(scope), FISH_CLOUD)


def _is_below(path: str, roots: tuple[str, ...]) -> bool:
    return any(path == root or path.startswith(root + "/") for root in roots)
