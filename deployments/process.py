"""Threads that compute step back behind threads that answer.

On a CPU the engine takes every core it gets. Its threads, and all that they start, run at a lower priority, so
that event loops still admit, refuse and cancel at once.
"""

import contextlib
import os
import threading

NICENESS = 5  # added to the process's own


def step_back() -> None:
    """Lower the calling thread's priority (Linux); threads that it starts inherit it."""
    if hasattr(os, "setpriority"):
        thread = threading.get_native_id()
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, thread) + NICENESS))
