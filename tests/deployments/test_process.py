"""Computing threads run below answering ones; working memory is used again instead of being mapped for every
window.
"""

import os
import platform
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from deployments.process import lower_priority

PROBE = """
import ctypes, resource, sys
from deployments.process import reuse_freed_memory
if sys.argv[1] == "raised":
    assert reuse_freed_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
def touch():
    block = libc.malloc(64 << 20)
    ctypes.memset(block, 1, 64 << 20)
    libc.free(block)
touch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    touch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="threads have priorities of their own on Linux")
def test_only_the_thread_and_its_children_have_a_lower_priority() -> None:
    before = niceness()

    def child() -> int:
        with ThreadPoolExecutor(1) as inner:
            return inner.submit(niceness).result()

    with ThreadPoolExecutor(1, initializer=lower_priority) as pool:
        assert pool.submit(niceness).result() == min(19, before + 5)
        assert pool.submit(child).result() == min(19, before + 5)
    assert niceness() == before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_freed_blocks_are_not_faulted_in_again() -> None:
    def faults(mode: str) -> int:
        return int(subprocess.check_output([sys.executable, "-c", PROBE, mode], text=True))

    assert faults("raised") * 20 < faults("default")
