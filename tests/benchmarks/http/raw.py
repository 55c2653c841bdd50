"""A setup, tickets and seconds come in; what the graph does of them offline goes out as slots."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import numpy as np
import psutil

from tests.benchmarks.contender import Setup
from tests.benchmarks.device import stolen
from tests.benchmarks.http import offline
from tests.benchmarks.http.desk import Desk
from tests.benchmarks.http.journal import Journal
from tests.benchmarks.http.plan import Kind, Measured, Plan, Slot

NAME = "raw"
SEARCH = -1
"""The round in which every arrangement is tried once, for a short time; no figure is from it."""
KEPT = 2
"""Arrangements that every later round measures again."""
SEARCH_SHARE = 0.25
GUESS = 64
"""Tickets that tell how many fill a slot."""


class Raw:
    """One setup's graph in a process of its own."""

    def __init__(self, setup: Setup, desk: Desk, plan: Plan, pool: ProcessPoolExecutor) -> None:
        self.setup = replace(setup, batching=False)
        self._desk, self._plan, self._pool = desk, plan, pool
        self._tried = offline.arrangements(setup)

    def turn(self, place: int, journal: Journal, seed: int) -> None:
        """Measures what the journal lacks of a round; before the first, tries every arrangement."""
        for level in range(len(self._tried)):
            self._whole(journal, self._slot("raw", level, SEARCH), seed)
        rates = [journal[self._slot("raw", n, SEARCH)].per_s for n in range(len(self._tried))]
        for level in np.argsort(rates)[::-1][:KEPT]:
            self._whole(journal, self._slot("raw", int(level), place), seed + place)
        self._alone(journal, self._slot("alone", 1, place), seed + place)

    def _slot(self, kind: Kind, level: int, place: int) -> Slot:
        return Slot(NAME, self.setup, kind, level, place)

    def _whole(self, journal: Journal, slot: Slot, seed: int) -> None:
        """As many tickets as fill the slot, all at once."""
        if slot in journal:
            return
        seconds = self._plan.seconds * (SEARCH_SHARE if slot.round == SEARCH else 1.0)
        arrangement = self._tried[int(slot.level)]
        tickets = list(self._tickets(GUESS, seed))
        guess_s = self._run(arrangement, tickets)
        tickets = list(self._tickets(max(GUESS, int(GUESS / guess_s * seconds)), seed))
        before = psutil.cpu_times()
        wall_s = self._run(arrangement, tickets)
        lost = stolen(before, psutil.cpu_times())
        journal.add(_offline(slot, wall_s, tickets, [], lost))

    def _run(self, arrangement: offline.Arrangement, tickets: list[int]) -> float:
        texts = [self._desk.texts[ticket] for ticket in tickets]
        return self._pool.submit(offline.sorted_s, self.setup, arrangement, texts).result()

    def _alone(self, journal: Journal, slot: Slot, seed: int) -> None:
        if slot in journal:
            return
        tickets = list(self._tickets(len(self._desk), seed))
        texts = [self._desk.texts[ticket] for ticket in tickets]
        before = psutil.cpu_times()
        seconds = self._plan.seconds
        found = self._pool.submit(offline.alone_ms, self.setup, texts, seconds).result()
        lost = stolen(before, psutil.cpu_times())
        journal.add(_offline(slot, sum(found) / 1000, tickets[: len(found)], found, lost))

    def _tickets(self, count: int, seed: int) -> Iterator[int]:
        """Places in the desk: every ticket once before any comes again."""
        random = np.random.default_rng(seed)
        while count > 0:
            part = random.permutation(len(self._desk))[:count]
            yield from part.tolist()
            count -= len(part)


def _offline(
    slot: Slot, wall_s: float, tickets: list[int], found_ms: list[float], lost: float
) -> Measured:
    return Measured(
        slot,
        wall_s=wall_s,
        in_time=len(tickets),
        refused=0,
        failed=0,
        server_cpu_s=0.0,
        client_cpu_s=0.0,
        stolen=lost,
        latencies_ms=tuple(found_ms),
        tickets=tuple(tickets),
    )
