"""A variant's session comes in; what it does without a server goes out."""

import itertools
import statistics
import time
from collections.abc import Iterator, Sequence

from service.contract.tokens import Tokens
from service.engine.batcher import Batcher, Limits
from service.engine.cost import CostModel
from tests.benchmarks.bounds import RATIO, Figure, at_least
from tests.benchmarks.gpu.plan import Plan
from tests.benchmarks.gpu.sheet import NotMeasurable
from tests.benchmarks.gpu.subject import Raw, Subject, known
from tests.benchmarks.opened import Opened, open_variant, per_s

UNPADDED = 1.2
LONE = 2000
"""Lone tickets, at most."""
_WARM_UP = 0.25
_HOUR_S = 3600.0


def throughput(subject: Subject, opened: Opened, plan: Plan) -> Iterator[Figure]:
    """Of each size of batch, sorted by length; the best one is raw."""
    batches = (1,) if opened.variant.alone else plan.batches
    seconds = plan.seconds / 2
    found = [
        Raw(per_s(opened, subject.tokens, batch, plan.threads, seconds), batch)
        for batch in reversed(batches)  # The largest first, so that the arena grows once.
    ]
    best = subject.raw[opened.name] = max(found, key=lambda raw: raw.per_s)
    for raw in reversed(found):
        mark = ", the best" if raw is best else ""
        name = f"{opened.name}: raw, batch {raw.batch}{mark}"
        yield Figure(name, raw.per_s, unit="tickets/s")


def alone(subject: Subject, opened: Opened, plan: Plan) -> Iterator[Figure]:
    """A lone ticket, tokenised and run, as the server opens the graph: on a GPU padded batches are
    replayed.
    """
    plain_s = lone_s(subject, opened, plan.seconds / 2)
    subject.alone_s[opened.name] = plain_s
    yield Figure(f"{opened.name}: a ticket alone, p50", 1000 * plain_s, unit="ms")
    if plan.provider == "cuda" and opened.variant.layout == "padded":
        again = open_variant(subject.bundle, subject.manifest, opened.variant, "cuda", replays=True)
        replayed_s = lone_s(subject, again, plan.seconds / 2)
        subject.alone_s[opened.name] = replayed_s
        name = f"{opened.name}: a ticket alone by CUDA graphs, p50"
        yield Figure(name, 1000 * replayed_s, unit="ms")


def lone_s(subject: Subject, opened: Opened, seconds: float) -> float:
    """The median, in seconds."""
    took, until = [], time.perf_counter() + seconds
    for text in itertools.islice(itertools.cycle(subject.desk.texts), LONE):
        started = time.perf_counter()
        opened.run(opened.lay_out([subject.tokenizer.encode(text)]))
        ended = time.perf_counter()
        took.append(ended - started)
        if ended > until:
            break
    return statistics.median(took[len(took) // 10 :])


def paced(subject: Subject, opened: Opened, plan: Plan) -> Iterator[Figure]:
    """Throughput with batches as the service's own batcher cuts them from what waits."""
    best = subject.best(opened.variant)
    budget = best.batch * subject.manifest.token_limit
    limits = Limits(best.batch, budget, 2 * plan.waiting, layout=opened.variant.layout)
    found = by_batcher(opened, subject.tokens, limits, plan.waiting, plan.seconds)
    subject.paced[opened.name] = found
    name = f"{opened.name}: by the batcher, {plan.waiting} waiting"
    yield Figure(name, found, unit="tickets/s")


def by_batcher(
    opened: Opened, tickets: Sequence[Tokens], limits: Limits, waiting: int, seconds: float
) -> float:
    """Tickets a second of the session's time: tickets come in the order given, over and over, so
    that always so many wait; a first part teaches the batcher what a batch costs.
    """
    batcher: Batcher[None] = Batcher(limits, CostModel())
    turns = itertools.cycle(tickets)

    def come(count: int) -> None:
        for tokens in itertools.islice(turns, count):
            batcher.add(tokens, time.monotonic() + _HOUR_S, 1.0, None)

    come(waiting)
    busy_s, done, warm_s = 0.0, 0, _WARM_UP * seconds
    while warm_s > 0 or busy_s < (1 - _WARM_UP) * seconds:
        batch = batcher.poll()
        assert batch is not None
        count = len(batch.entries)
        arrays = opened.lay_out([entry.tokens for entry in batch.entries])
        started = time.perf_counter()
        opened.run(arrays)
        took_s = time.perf_counter() - started
        batcher.learn(count, arrays.tokens / count, took_s)
        batcher.done(batch)
        if warm_s > 0:
            warm_s -= took_s
        else:
            busy_s, done = busy_s + took_s, done + count
        come(count)
    return done / busy_s


def unpadded(subject: Subject, precision: str, plan: Plan) -> Iterator[Figure]:
    """What leaving out padding is worth. Raises NotMeasurable."""
    layouts = {one.layout for one in subject.manifest.variants if one.precision == precision}
    if layouts != {"padded", "ragged"}:
        raise NotMeasurable(f"the bundle's {precision} graphs are {' and '.join(sorted(layouts))}")
    why = "one of the two was not measured"
    values = [known(subject.paced, f"{precision} {layout}", why) for layout in ("ragged", "padded")]
    bound = at_least(UNPADDED) if plan.bounded else None
    yield Figure(f"{precision}: padding-free over padded", values[0] / values[1], bound, RATIO)
    sorted_ = [subject.raw[f"{precision} {layout}"].per_s for layout in ("ragged", "padded")]
    name = f"{precision}: the same, all tickets sorted by length beforehand"
    yield Figure(name, sorted_[0] / sorted_[1], None, RATIO)
