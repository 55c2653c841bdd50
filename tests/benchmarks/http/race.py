"""Contenders, tickets and a plan come in; what each slot measured goes out, interleaved by round.

The journal is JSON lines, one `Measured` each (see journal.py), appended as a slot ends.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from tests.benchmarks.contender import Contender, Setup
from tests.benchmarks.http.desk import Desk
from tests.benchmarks.http.driver import allow_connections, process
from tests.benchmarks.http.journal import Journal
from tests.benchmarks.http.plan import SATURATED, Measured, Plan, Slot
from tests.benchmarks.http.raw import Raw
from tests.benchmarks.http.turn import Turn


@dataclass(frozen=True)
class Entry:
    """A contender and how it is set up; its slots carry `contender.name` and the setup."""

    contender: Contender
    setup: Setup

    def slots(self, plan: Plan, place: int) -> Iterator[Slot]:
        """Those of one round; the saturation that others need comes first."""
        first = sorted(plan.clients, key=lambda clients: clients != SATURATED)
        name = self.contender.name
        for clients in first:
            yield Slot(name, self.setup, "closed", clients, place)
        for share in plan.open_loop:
            yield Slot(name, self.setup, "open", share, place)
        for level in (0.0, 1.0) if plan.flood else ():
            yield Slot(name, self.setup, "flood", level, place)


def race(
    entries: Sequence[Entry], desk: Desk, plan: Plan, journal: Path | None = None, seed: int = 0
) -> list[Measured]:
    """Round by round: raw (offline), then every entry, in an order that moves on by one a round.

    A server runs for its turn alone. Slots that the journal holds are not repeated, and a turn
    without new slots starts no server. Returns what the journal holds in the end.
    Raises ServerFailedError where a server does not start, or answers nothing; what was measured
    stays in the journal.
    """
    allow_connections()
    kept = Journal(journal)
    with ExitStack() as stack:
        setups = dict.fromkeys(replace(entry.setup, batching=False) for entry in entries)
        raws = [Raw(setup, desk, plan, stack.enter_context(process())) for setup in setups]
        for place in range(plan.rounds):
            for raw in raws:
                raw.turn(place, kept, seed)
            start = place % len(entries)
            for entry in [*entries[start:], *entries[:start]]:
                take_turn(entry, desk, plan, kept, place, seed)
    return kept.all()


def take_turn(
    entry: Entry, desk: Desk, plan: Plan, journal: Journal, place: int, seed: int
) -> None:
    """One entry's missing slots of a round. In a round all get the same tickets, in one order."""
    slots = list(entry.slots(plan, place))
    if all(slot in journal for slot in slots):
        return
    with process() as pool, entry.contender.serving(entry.setup) as server:
        Turn(server, desk, plan.seconds, pool, journal, seed + place).run(slots)
