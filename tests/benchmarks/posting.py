"""A target comes in; a closed loop posts to it, by wrk where that is there; its rate goes out."""

import itertools
import multiprocessing
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from urllib.parse import urlsplit

import numpy as np
import uvloop

from tests.benchmarks import wrk
from tests.benchmarks.http.driver import allow_connections
from tests.benchmarks.http.loads import Answers, closed
from tests.benchmarks.posted import Posted, Target

PYTHON = "Python"
CORES_A_PROCESS = 4
"""One process of the Python client for so many of the machine's cores."""


def post(target: Target, clients: int, seconds: float) -> Posted:
    """A closed loop of clients, each with a connection of its own.

    Raises WrkFailedError, ConnectionError where nothing was answered.
    """
    found = (
        wrk.post(target, clients, seconds) if wrk.is_there() else python(target, clients, seconds)
    )
    if not found.per_s:
        raise ConnectionError(f"{found.client} got no answer, and {found.failed} failures")
    return found


def python(target: Target, clients: int, seconds: float, processes: int | None = None) -> Posted:
    """The same without wrk. processes: of the client; as many as the machine has room for."""
    count = processes or max(1, min(len(os.sched_getaffinity(0)) // CORES_A_PROCESS, clients))
    shares = [clients // count + (place < clients % count) for place in range(count)]
    firsts = [len(target.bodies) * place // count for place in range(count)]
    allow_connections()
    with ProcessPoolExecutor(count, multiprocessing.get_context("spawn")) as pool:
        # Once all of them are there, so that all post at the same time.
        list(pool.map(_ready, range(count)))
        jobs = [
            pool.submit(_post, target, first, share, seconds)
            for first, share in zip(firsts, shares, strict=True)
        ]
        found = [job.result() for job in jobs]
    return gathered([answers for answers, _ in found], sum(cpu_s for _, cpu_s in found), seconds)


def gathered(answers: Sequence[Answers], cpu_s: float, seconds: float) -> Posted:
    """What several processes met together; answers after the end count for latency alone."""
    rows = [
        row for one in answers for row in zip(one.statuses, one.seconds, one.moments, strict=True)
    ]
    good = [(took, moment) for status, took, moment in rows if status == 200]
    latencies_ms = 1000 * np.array([took for took, _ in good] or [np.nan])
    return Posted(
        client=PYTHON,
        per_s=sum(moment <= seconds for _, moment in good) / seconds,
        p50_ms=float(np.percentile(latencies_ms, 50)),
        p99_ms=float(np.percentile(latencies_ms, 99)),
        failed=len(rows) - len(good) + sum(one.lost for one in answers),
        cpu_s=cpu_s,
        wall_s=seconds,
    )


def rendered(target: Target) -> list[bytes]:
    """The bytes of each request."""
    head = (
        f"POST {target.path} HTTP/1.1\r\nHost: {urlsplit(target.url).netloc}\r\n"
        "Content-Type: application/json\r\nContent-Length: "
    ).encode()
    return [head + str(len(body)).encode() + b"\r\n\r\n" + body for body in target.bodies]


def _ready(place: int) -> int:
    return place


def _post(target: Target, first: int, clients: int, seconds: float) -> tuple[Answers, float]:
    requests = rendered(target)
    turns = itertools.cycle([*range(first, len(requests)), *range(first)])
    before = time.process_time()
    answers = uvloop.run(closed(target.url, requests, turns, clients, seconds))
    return answers, time.process_time() - before
