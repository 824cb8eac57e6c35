"""The end of Serve and Ray."""

import contextlib
import os
import threading

import ray
from ray import serve

REQUESTS_S = 30.0  # in which requests may end


def shut_down() -> None:
    """Stop Serve and Ray, if they run, without the last words of killed actors, which mean nothing.

    First the applications alone: Serve's own shutdown ends its proxies before anything else, and with them every
    connection.
    """
    if not ray.is_initialized():
        return
    with contextlib.ExitStack() as quiet:
        nowhere = quiet.enter_context(open(os.devnull, "w"))
        quiet.enter_context(contextlib.redirect_stdout(nowhere))
        quiet.enter_context(contextlib.redirect_stderr(nowhere))
        over = threading.Event()
        ending = threading.Thread(target=_end_applications, args=(over,), daemon=True)  # Serve may not answer
        ending.start()
        ending.join(REQUESTS_S)
        over.set()
        with contextlib.suppress(Exception):
            serve.shutdown()  # type: ignore[no-untyped-call]
        ray.shutdown()


def _end_applications(over: threading.Event) -> None:
    """Remove all applications; return when their requests have ended, or once it is ``over``, since asking Serve
    later on would start Ray again.
    """
    with contextlib.suppress(Exception):
        for name in serve.status().applications:
            serve.delete(name, _blocking=False)
        while not over.wait(0.1) and serve.status().applications:
            pass
