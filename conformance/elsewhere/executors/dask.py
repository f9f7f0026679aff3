"""Dask: a cluster by the address of its scheduler, or one that is made here."""

from __future__ import annotations

import importlib
import logging
import re
import warnings
from concurrent.futures import CancelledError
from typing import Any

from conformance.elsewhere.executors.executor import Hands
from conformance.usage import WrongUsage, cores

LOCAL = "local"
HAS_SUITE = "__import__('importlib.util').util.find_spec('conformance') is not None"
SECONDS = 20  # until a scheduler has answered


def hands(option: str, address: str, jobs: int | None) -> Hands:
    try:
        dask: Any = importlib.import_module("dask")
        distributed: Any = importlib.import_module("distributed")
    except ImportError:
        raise WrongUsage(f"{option}: needs Dask; pip install 'npcnn-conformance[dask]'") from None
    if address != LOCAL and not re.fullmatch(r"(\w+://)?[^/\s]+:\d+", address):
        raise WrongUsage(f"{option} {address}: write tcp://HOST:8786, as the scheduler says, or {LOCAL}")
    # A worker that dies is no reason to give up an order: that is counted here, where it is known what it asked.
    dask.config.set({"distributed.scheduler.allowed-failures": 0, "distributed.admin.tick.limit": "1h"})
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters of it is told here, in a line
    cluster: Any = None
    try:
        if address == LOCAL:
            cluster = distributed.LocalCluster(
                n_workers=jobs or cores(),
                threads_per_worker=1,
                dashboard_address=":0",
                silence_logs=logging.CRITICAL,
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of versions: those that matter are told here
            client = distributed.Client(cluster or address, timeout=SECONDS, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise WrongUsage(f"{option} {address}: no scheduler answers there: {error}") from None

    # A worker that lacks it would end as soon as it is sent an order, and the next one with it.
    if lacking := [worker for worker, there in client.run(eval, HAS_SUITE).items() if not there]:
        client.close(timeout=1)
        raise WrongUsage(f"{option} {address}: npcnn-conformance is not installed on {', '.join(lacking)}")

    def width() -> int:
        return jobs or sum(client.nthreads().values())

    def lost(error: BaseException) -> str:
        gone = isinstance(error, (CancelledError, distributed.comm.CommClosedError))
        gone = gone or client.status not in ("running", "connecting")
        return f"the scheduler at {client.scheduler.addr} answers no more" if gone else ""

    def close() -> None:
        client.close(timeout=1)
        if cluster:
            cluster.close(timeout=5)

    return Hands(client.get_executor(pure=False), width, close, True, lost)
