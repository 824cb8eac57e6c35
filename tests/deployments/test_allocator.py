"""Working memory is used again instead of being mapped for every window."""

import platform
import subprocess
import sys

import pytest

PROBE = """
import ctypes, resource, sys
from deployments.allocator import reuse_freed_memory
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


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_freed_blocks_are_not_faulted_in_again() -> None:
    def faults(mode: str) -> int:
        return int(subprocess.check_output([sys.executable, "-c", PROBE, mode], text=True))

    assert faults("raised") * 20 < faults("default")
