"""A ready server and the slots of its turn come in; each is measured and journalled."""

import itertools
import re
import urllib.request
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import psutil

from tests.benchmarks.device import stolen
from tests.benchmarks.http.desk import Desk
from tests.benchmarks.http.driver import Load, Outcome, drive
from tests.benchmarks.http.journal import Journal
from tests.benchmarks.http.plan import SATURATED, Measured, Slot
from tests.benchmarks.open_loop import poisson
from tests.benchmarks.server import Server, ServerFailedError

REFUSALS = (429, 503, 504)
WARM_UP_S, WARM_UP_CLIENTS = 2.0, 8
LOW = 0.1
"""Rate of a flood's short tickets, as a share of the saturation in tickets a second."""
FLOODING = 32
"""Clients that flood with long tickets."""


@dataclass(frozen=True)
class Turn:
    """A contender's server while it is measured. pool: the load generator's process."""

    server: Server
    desk: Desk
    seconds: float
    pool: ProcessPoolExecutor
    journal: Journal
    seed: int

    def run(self, slots: Iterable[Slot]) -> None:
        """Warms the server up, then measures slot by slot.

        Raises ServerFailedError where it answers nothing with 200.
        """
        order = np.random.default_rng(self.seed).permutation(len(self.desk)).tolist()
        warm_up = Load(self.server.url, self.desk.bodies, WARM_UP_S, order, clients=WARM_UP_CLIENTS)
        statuses = self._drive(warm_up).answers.statuses
        if 200 not in statuses:
            raise ServerFailedError(f"no request was answered with 200, but {set(statuses)}")
        for slot in slots:
            if slot not in self.journal:
                self.journal.add(self._measure(slot, order))

    def _measure(self, slot: Slot, order: Sequence[int]) -> Measured:
        load = self._load(slot, order)
        before = psutil.cpu_times(), cpu_s(self.server.pid), tokens(self.server.url)
        outcome = self._drive(load)
        after = psutil.cpu_times(), cpu_s(self.server.pid), tokens(self.server.url)
        found = _measured(slot, load, outcome)
        return replace(
            found,
            stolen=stolen(before[0], after[0]),
            server_cpu_s=after[1] - before[1],
            real_tokens=after[2][0] - before[2][0],
            padded_tokens=after[2][1] - before[2][1],
        )

    def _drive(self, load: Load) -> Outcome:
        return self.pool.submit(drive, load).result()

    def _load(self, slot: Slot, order: Sequence[int]) -> Load:
        load = Load(self.server.url, self.desk.bodies, self.seconds, order)
        if slot.kind == "closed":
            return replace(load, clients=int(slot.level))
        random = np.random.default_rng([self.seed, int(100 * slot.level)])
        if slot.kind == "open":
            moments = poisson(slot.level * self._saturation(slot), self.seconds, random)
            return replace(load, moments=moments, turns=_cycled(order, len(moments)))
        # The same short tickets at the same moments, alone and while long ones flood.
        random = np.random.default_rng(self.seed)
        moments = poisson(LOW * self._saturation(slot), self.seconds, random)
        return replace(
            load,
            moments=moments,
            turns=_cycled(random.permutation(self.desk.short).tolist(), len(moments)),
            clients=FLOODING if slot.level else 0,
            flooding=random.permutation(self.desk.long).tolist(),
        )

    def _saturation(self, slot: Slot) -> float:
        return self.journal[replace(slot, kind="closed", level=SATURATED)].per_s


def cpu_s(pid: int) -> float:
    """User and system seconds so far of a process and of those that it started."""
    parent = psutil.Process(pid)
    total = 0.0
    for process in [parent, *parent.children(recursive=True)]:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def tokens(url: str) -> tuple[float, float]:
    """Tokens that Harbor ran so far, without and with padding; zeros of a server that has no such
    metrics.
    """
    try:
        with urllib.request.urlopen(f"{url}/metrics", timeout=10) as reply:
            page = reply.read().decode()
    except OSError:
        return 0.0, 0.0
    return _total(page, "harbor_tokens_real_total"), _total(page, "harbor_tokens_padded_total")


def _cycled(order: Sequence[int], count: int) -> list[int]:
    """One after another: equal tickets at once would be computed once, and flatter the server."""
    return list(itertools.islice(itertools.cycle(order), count))


def _total(page: str, name: str) -> float:
    found = re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", page, re.MULTILINE)
    return sum(map(float, found))


def _measured(slot: Slot, load: Load, outcome: Outcome) -> Measured:
    answers = outcome.answers
    rows = zip(answers.statuses, answers.seconds, answers.tickets, answers.moments, strict=True)
    good = [row for row in rows if row[0] == 200]
    statuses = Counter(answers.statuses)
    refused = sum(statuses[status] for status in REFUSALS)
    return Measured(
        slot,
        wall_s=load.seconds,
        in_time=sum(moment <= load.seconds for *_, moment in good),
        refused=refused,
        failed=len(answers.statuses) - len(good) - refused + answers.lost,
        server_cpu_s=0.0,
        client_cpu_s=outcome.cpu_s,
        stolen=0.0,
        latencies_ms=tuple(1000 * seconds for _, seconds, *_ in good),
        tickets=tuple(ticket for _, _, ticket, _ in good),
        offered_per_s=len(load.moments) / load.seconds,
        flooding=outcome.flood.statuses.count(200),
        statuses={str(status): count for status, count in statuses.items()},
    )
