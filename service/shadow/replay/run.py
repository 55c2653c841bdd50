"""A replay's files come in; its decisions, comparisons and final labels are in the ledger."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from service.bundle import Bundle
from service.errors import LedgerRefused, ShadowRefused
from service.ledger.records import Registration
from service.ledger.scope import Scope
from service.ledger.store import Store
from service.opening import open_bundle
from service.settings import Settings
from service.shadow.plan import Plan, TaskPlan
from service.shadow.replay.desk import Desk
from service.shadow.replay.job import Replay
from service.shadow.replay.rows import Faults, open_rows
from service.shadow.replay.rules import Rules
from service.shadow.replay.summary import Summary, TaskSummary
from service.shadow.replay.tickets import Tickets
from service.shadow.replay.words import identity_of, read_words
from service.shadow.translation import Translation

_CHUNK = 256
"""Tickets that are run and written together; no more of their texts are in memory."""

NAME = r"[a-z][a-z0-9-]{0,31}"

_Item = TypeVar("_Item")


def replay(settings: Settings, job: Replay) -> Summary:
    """Runs the tickets through `settings.bundle` and keeps what comes of it in `settings.ledger`.

    A second run of the same files adds nothing: a ticket that the ledger knows by this bundle stays
    as it is. Rules that changed want another name. Call it where no event loop runs. Raises
    BundleRefused, ProviderMissing, ShadowRefused for a file that cannot be used, LedgerRefused,
    LedgerUnavailable.
    """
    if settings.ledger == "off":
        raise LedgerRefused("a replay needs a ledger: give it the URL of a database")
    if re.fullmatch(NAME, job.name) is None:
        raise ShadowRefused(f"a legacy's name must match {NAME}")
    return asyncio.run(_replay(settings, job))


@dataclass(frozen=True, slots=True)
class _Pair:
    """The bundle and the rules, as the ledger names them."""

    job: Replay
    primary: str
    identity: str

    @property
    def sides(self) -> tuple[str, str]:
        """Challenger and incumbent."""
        pair = (self.primary, self.identity)
        return pair if self.job.role == "incumbent" else pair[::-1]

    def check(self, store: Store) -> None:
        """Raises ShadowRefused where other comparisons with this bundle stand under the name."""
        for met in store.pairs():
            sides = (met.challenger, met.incumbent)
            if met.legacy != self.job.name or self.primary not in sides:
                continue
            if (met.role, *sides) != (self.job.role, *self.sides):
                raise ShadowRefused(
                    f"the ledger holds {self.job.name} in another role or translation beside this "
                    "bundle: give the rules another name"
                )

    def count(self, store: Store) -> int:
        """Comparisons that the ledger has."""
        totals = store.totals(Scope(self.job.name, *self.sides))
        return sum(total.count for total in totals)

    def register(self, store: Store, tasks: Iterable[str], now: float) -> None:
        """Puts the plan on record, before the first label is in."""
        defaults = {task: TaskPlan() for task in tasks}
        # What is replayed has had its final labels long ago: nothing need ripen.
        plain = Plan(legacy=self.job.name, role=self.job.role, maturity_days=0.0, tasks=defaults)
        plan = self.job.plan or plain
        store.register(Registration(now, self.job.name, *self.sides, plan.model_dump_json()))


async def _replay(settings: Settings, job: Replay) -> Summary:
    bundle, faults = open_bundle(settings.bundle, settings), Faults()
    rules = Rules(job.decisions, [task.name for task in bundle.tasks], faults)
    words = read_words(job.translation, bundle.tasks)
    pair = _Pair(job, bundle.digest, identity_of(job.name, words))
    summary = Summary({task: TaskSummary() for task in rules.tasks}, faults=faults)
    translation = Translation(words, lambda: bundle.tasks)
    desk = Desk(bundle, rules, translation, (job.name, pair.identity, job.role), summary)
    with open_rows(job.tickets, faults) as rows, Store(settings.ledger) as store:
        tickets = Tickets(rows, _labelled(job, bundle), _fields(settings))
        pair.check(store)
        pair.register(store, rules.tasks, time.time())
        before = pair.count(store)
        async with bundle.engine:
            await _run(desk, tickets, store, summary)
        summary.added = pair.count(store) - before
    summary.decisions, summary.unused, summary.ignored = len(rules), rules.unused, rules.ignored
    return summary


async def _run(desk: Desk, tickets: Tickets, store: Store, summary: Summary) -> None:
    now = time.time()
    for chunk in _chunks(tickets, _CHUNK):
        store.write(await desk.decide(chunk, now))
        receipt = store.add_feedback(desk.final_labels(chunk), now)
        summary.feedback += Counter(receipt.outcomes)


def _labelled(job: Replay, bundle: Bundle) -> list[str]:
    return [task.name for task in bundle.tasks] if job.labels else []


def _fields(settings: Settings) -> list[str]:
    return [name.strip() for name in settings.ledger_metadata.split(",") if name.strip()]


def _chunks(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    left = iter(items)
    while chunk := list(islice(left, size)):
        yield chunk
