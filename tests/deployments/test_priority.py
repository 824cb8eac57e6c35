"""Computing threads run below answering ones."""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from deployments.process import step_back


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="threads have priorities of their own on Linux")
def test_only_the_thread_and_its_children_step_back() -> None:
    before = niceness()

    def child() -> int:
        with ThreadPoolExecutor(1) as inner:
            return inner.submit(niceness).result()

    with ThreadPoolExecutor(1, initializer=step_back) as pool:
        assert pool.submit(niceness).result() == min(19, before + 5)
        assert pool.submit(child).result() == min(19, before + 5)
    assert niceness() == before
