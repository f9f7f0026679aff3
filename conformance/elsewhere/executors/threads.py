"""Here: each thread waits for a desk, which is a process of its own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from conformance.elsewhere import desks
from conformance.elsewhere.executors.executor import Hands


def hands(jobs: int) -> Hands:
    threads = ThreadPoolExecutor(jobs, "conformance")

    def close() -> None:
        threads.shutdown(wait=False, cancel_futures=True)
        desks.close()  # and no thread waits any longer

    return Hands(threads, lambda: jobs, close)
