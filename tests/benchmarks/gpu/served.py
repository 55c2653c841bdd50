"""A variant comes in; what real servers make of its graph goes out, over the raw session's."""

from collections.abc import Iterator
from contextlib import AbstractContextManager

from service.contract.bundle import Variant
from tests.benchmarks import noop
from tests.benchmarks.bounds import RATIO, Bound, Figure, at_least, at_most
from tests.benchmarks.bulk import bulk
from tests.benchmarks.contender import Setup
from tests.benchmarks.family import Family, cpu_s
from tests.benchmarks.gpu.plan import Plan
from tests.benchmarks.gpu.sheet import NotMeasurable
from tests.benchmarks.gpu.subject import Subject, known
from tests.benchmarks.http.contenders import Plain
from tests.benchmarks.opened import name_of
from tests.benchmarks.posted import Target
from tests.benchmarks.posting import post
from tests.benchmarks.server import Server, serving

SINGLE, BULK, PLAIN = 0.80, 0.92, 2.0
LONE, ALLOWANCE_MS = 1.15, 0.5
PLAIN_CLIENTS = 32
WARM_UP_S = 2.0


def front(subject: Subject, plan: Plan) -> Iterator[Figure]:
    """What one front can do, whatever the graph."""
    found = noop.measure(subject.bundle, subject.desk.bodies, plan.seconds, "--ledger", "off")
    subject.front_per_s = found.per_s
    name = "one front's no-op rate, on a core of its own"
    yield Figure(name, found.per_s, unit="tickets/s")
    yield Figure("a ticket's CPU in a front", found.front_us, unit="µs")
    yield Figure("a ticket's CPU in the core, hollow graph", found.core_us, unit="µs")


def harbor(subject: Subject, variant: Variant, plan: Plan) -> Iterator[Figure]:
    """A lone ticket, single tickets at saturation, and the batch endpoint, of one server."""
    with _serving(subject, variant, plan) as server:
        target = Target(server.url, subject.desk.bodies)
        post(target, plan.clients, WARM_UP_S)
        yield from _lone(subject, variant, target, plan)
        yield from _single(subject, variant, server, plan)
        yield from _bulk(subject, variant, server, plan)


def plain(subject: Subject, variant: Variant, plan: Plan) -> Iterator[Figure]:
    """Harbor over the server that one writes for oneself, with the same graph.

    Raises NotMeasurable where Harbor was not measured.
    """
    name = name_of(variant)
    if variant.layout != "padded":
        raise NotMeasurable("a plain server pads")
    own = known(subject.single, name, "Harbor's own was not measured")
    with Plain(plan.provider).serving(Setup(subject.bundle, variant.precision)) as server:
        target = Target(server.url, subject.desk.bodies)
        post(target, PLAIN_CLIENTS, WARM_UP_S)
        posted = post(target, PLAIN_CLIENTS, plan.seconds)
    yield Figure(f"{name}: plain FastAPI, {PLAIN_CLIENTS} clients", posted.per_s, unit="tickets/s")
    yield Figure(
        f"{name}: Harbor over plain FastAPI", own / posted.per_s, _least(PLAIN, plan), RATIO
    )


def _serving(subject: Subject, variant: Variant, plan: Plan) -> AbstractContextManager[Server]:
    flags = [*plan.flags, "--precision", variant.precision, "--layout", variant.layout]
    if plan.provider == "cuda":
        batch = subject.best(variant).batch
        flags += ["--max-batch", str(batch), "--max-queue", "16384", "--cuda-memory-mb", "16384"]
        flags += ["--budget-tokens", str(batch * subject.manifest.token_limit)]
        flags += ["--cuda-graphs", "true"] if variant.layout == "padded" else []
    return serving(subject.bundle, *flags)


def _lone(subject: Subject, variant: Variant, target: Target, plan: Plan) -> Iterator[Figure]:
    name = name_of(variant)
    posted = post(target, 1, plan.seconds / 2)
    yield Figure(f"{name}: a lone ticket over HTTP, p50", posted.p50_ms, unit="ms")
    raw_ms = 1000 * known(subject.alone_s, name, "raw was not measured alone")
    bound = at_most(LONE) if plan.bounded else None
    measure = f"{name}: p50 of a lone ticket less {ALLOWANCE_MS} ms, over raw batch-1"
    yield Figure(measure, (posted.p50_ms - ALLOWANCE_MS) / raw_ms, bound, RATIO)


def _single(subject: Subject, variant: Variant, server: Server, plan: Plan) -> Iterator[Figure]:
    name, family = name_of(variant), Family.of(server.pid)
    before = cpu_s(family.core)
    posted = post(Target(server.url, subject.desk.bodies), plan.clients, plan.seconds)
    busy = (cpu_s(family.core) - before) / posted.wall_s
    subject.single[name] = posted.per_s
    where = f"{name}: single tickets, {plan.workers} workers, {plan.clients} clients"
    yield Figure(f"{where} ({posted.client})", posted.per_s, unit="tickets/s")
    yield Figure(f"{name}: cores that the core process used of it", busy, unit="cores")
    yield Figure(f"{name}: requests that failed", posted.failed, at_most(0), "requests")
    if subject.front_per_s is None:
        raise NotMeasurable("one front's no-op rate is not known")
    most = min(subject.best(variant).per_s, plan.workers * subject.front_per_s)
    measure = f"{name}: single tickets over min(raw, {plan.workers} x one front)"
    yield Figure(measure, posted.per_s / most, _least(SINGLE, plan), RATIO)


def _bulk(subject: Subject, variant: Variant, server: Server, plan: Plan) -> Iterator[Figure]:
    name = name_of(variant)
    found = bulk(server.url, subject.desk.bodies, plan.each, plan.bulk_clients, plan.seconds)
    yield Figure(f"{name}: batch endpoint", found.per_s, unit="tickets/s")
    yield Figure(f"{name}: its tickets that failed", found.failed, at_most(0), "tickets")
    share = found.per_s / subject.best(variant).per_s
    yield Figure(f"{name}: batch endpoint over raw", share, _least(BULK, plan), RATIO)


def _least(low: float, plan: Plan) -> Bound | None:
    return at_least(low) if plan.bounded else None
