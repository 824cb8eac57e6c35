"""How the process computes: threads' priority, and the C library's memory.

On a CPU the engine takes every core it gets. Its threads, and all that they start, run at a lower priority, so
that event loops still admit, refuse and cancel at once.

CTranslate2's attention over 1500 positions asks for tens of megabytes at a time. glibc maps such blocks afresh
and unmaps them when they are freed, so that every window pays for touching all their pages again: about half of
the encoder's time with a small model on a CPU. With the two thresholds raised, freed blocks are used again; with
one arena for all threads, whichever thread needs them next (an arena of a thread is too small for such blocks).
"""

import contextlib
import ctypes
import os
import platform
import threading

NICENESS = 5  # added to the process's own
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # <malloc.h>
LARGEST_KEPT_BYTES = 1 << 30  # larger blocks are still mapped and unmapped


def lower_priority() -> None:
    """Lower the calling thread's priority (Linux); threads that it starts inherit it."""
    if hasattr(os, "setpriority"):
        thread = threading.get_native_id()
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, thread) + NICENESS))


def reuse_freed_memory() -> bool:
    """Keep glibc from returning freed memory to the kernel; False where the C library is another one."""
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    options = ((M_MMAP_THRESHOLD, LARGEST_KEPT_BYTES), (M_TRIM_THRESHOLD, LARGEST_KEPT_BYTES), (M_ARENA_MAX, 1))
    return all(libc.mallopt(option, value) for option, value in options)
