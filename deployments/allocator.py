"""Keeps the C library from handing working memory back to the kernel after every window.

CTranslate2's attention over 1500 positions asks for tens of megabytes at a time. glibc maps such blocks afresh
and unmaps them when they are freed, so that every window pays for touching all their pages again: about half of
the encoder's time with a small model on a CPU. With the two thresholds raised, freed blocks are used again; with
one arena for all threads, whichever thread needs them next (an arena of a thread is too small for such blocks).
"""

import ctypes
import platform

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # <malloc.h>
LIMIT = 1 << 30  # bytes; larger blocks are still mapped and unmapped


def reuse_freed_memory() -> bool:
    """Set glibc's allocator so for this process; False where the C library is another one."""
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    options = ((M_MMAP_THRESHOLD, LIMIT), (M_TRIM_THRESHOLD, LIMIT), (M_ARENA_MAX, 1))
    return all(libc.mallopt(option, value) for option, value in options)
