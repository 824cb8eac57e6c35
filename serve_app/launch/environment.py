"""Environment variables that Ray reads when it is imported and when its processes start."""

import os
import secrets

DEFAULTS = {
    # Serve's HTTP proxies say in Antiphon's words that it starts or stops.
    "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "serve_app.launch.proxy_answers.middleware",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Ray runs all its processes at 15, where the threads that compute cannot step far enough behind event loops.
    "RAY_worker_niceness": "0",
    # A dead HTTP proxy is replaced after 4 seconds instead of 28.
    "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "1",
    "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "2",
}
OWN_TOKEN = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


def prepare(*, new_cluster: bool) -> None:
    """Set what the user has not set. Call before Ray is imported.

    A new cluster gets a random token, so that no other user of the machine can run code through its open
    ports; without one Ray would write a lasting token into the home folder.
    """
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    if new_cluster and not any(os.environ.get(name) for name in OWN_TOKEN):
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
