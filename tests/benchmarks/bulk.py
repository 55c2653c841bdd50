"""Tickets come in; what a server routes of them a second by `POST /route/batch` goes out."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.benchmarks.family import outcomes
from tests.benchmarks.posted import Posted, Target
from tests.benchmarks.posting import post

PATH = "/route/batch"
LEFT = "caller_left"
"""What a client cuts off at the end of its load; no failure of the server's."""
_FROM, _TO = 0.2, 0.8
"""The part of a load that is looked at: its beginning fills the queue, its end cuts it off."""
_LOOK_S = 0.02


@dataclass(frozen=True)
class Bulk:
    """per_s: tickets answered a second, by the server's own count. failed: those that were not.

    posted: what the client met, in requests.
    """

    per_s: float
    failed: float
    posted: Posted


def bulk(url: str, bodies: Sequence[bytes], each: int, clients: int, seconds: float) -> Bulk:
    """A closed loop of clients with requests of so many tickets `each`, for so many seconds.

    bodies: of `POST /route`. Raises as `post` does.
    """
    target = Target(url, gathered(bodies, each), PATH)
    with ThreadPoolExecutor(1) as pool:
        first = outcomes(url)
        job = pool.submit(post, target, clients, seconds)
        while outcomes(url) == first and not job.done():
            time.sleep(_LOOK_S)
        time.sleep(_FROM * seconds)
        began, before = time.perf_counter(), outcomes(url)
        time.sleep((_TO - _FROM) * seconds)
        ended, after = time.perf_counter(), outcomes(url)
        posted = job.result()
    gone = {name: count - before.get(name, 0.0) for name, count in after.items()}
    good = gone.pop("ok", 0.0)
    gone.pop(LEFT, None)
    return Bulk(good / (ended - began), sum(gone.values()), posted)


def gathered(bodies: Sequence[bytes], each: int) -> list[bytes]:
    """Bodies of `POST /route/batch`; the last one may hold fewer tickets."""
    starts = range(0, len(bodies), each)
    return [b'{"tickets": [' + b", ".join(bodies[at : at + each]) + b"]}" for at in starts]
