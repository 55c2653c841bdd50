"""A bundle, a desk and a plan come in; every figure of the GPU, or why it is missing, goes out."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from service.contract.bundle import Variant
from tests.benchmarks import crossings, hop
from tests.benchmarks.bounds import Figure
from tests.benchmarks.gpu import device_memory, proof, raw, served
from tests.benchmarks.gpu.plan import Plan
from tests.benchmarks.gpu.proof import Rows
from tests.benchmarks.gpu.sheet import Missing, Sheet
from tests.benchmarks.gpu.subject import Subject
from tests.benchmarks.http.desk import Desk
from tests.benchmarks.opened import Opened, name_of, open_variant

START_S = 15.0
"""Of a server or a session, about."""

Part = Callable[..., Iterable[Figure]]


def measure(bundle: Path, desk: Desk, plan: Plan) -> Sheet:
    """Proofs first, then raw, then the servers; one variant after the other in each.

    Raises BundleError, and MisplacedError or ProviderMissing where the provider is not really used.
    """
    sheet, subject = Sheet(plan.limit_s), Subject.of(bundle, desk)
    variants = _sessions(subject, plan, sheet)
    _servers(subject, variants, plan, sheet)
    sheet.part("front to core and back", START_S, partial(_hop, plan))
    for way, why in crossings.absent().items():
        sheet.found.append(Missing(f"bytes alone by {way}", why))
    return sheet


def _sessions(subject: Subject, plan: Plan, sheet: Sheet) -> list[Variant]:
    """What needs no server; the variants that opened. Their sessions leave the device after it."""
    opened = _opened(subject, plan, sheet)
    references: dict[str, Rows] = {}
    parts: dict[str, tuple[float, Part]] = {
        "costly nodes": (START_S, proof.provider),
        "same label as on the CPU": (4 * START_S, partial(proof.agreement, references=references)),
        "raw": (2.5 * plan.seconds, raw.throughput),
        "a ticket alone": (START_S, raw.alone),
        "by the batcher": (1.5 * plan.seconds, raw.paced),
        "device memory": (2.5 * plan.seconds, device_memory.growth),
    }
    for name, (needs_s, part) in parts.items():
        for one in opened:
            sheet.part(f"{one.name}: {name}", needs_s, partial(part, subject, one, plan))
    for precision in dict.fromkeys(one.variant.precision for one in opened):
        compared = partial(raw.unpadded, subject, precision, plan)
        sheet.part(f"{precision}: padding-free over padded", 0.0, compared)
    return [one.variant for one in opened]


def _opened(subject: Subject, plan: Plan, sheet: Sheet) -> list[Opened]:
    """Those variants that are for the provider; of the others the sheet says why they are not."""
    found: list[Opened] = []

    def attempt(variant: Variant) -> Iterable[Figure]:
        found.append(open_variant(subject.bundle, subject.manifest, variant, plan.provider))
        return ()

    for variant in subject.manifest.variants:
        if plan.provider in variant.providers:
            sheet.part(f"{name_of(variant)}: opening", START_S, partial(attempt, variant))
        else:
            only = " and ".join(variant.providers)
            sheet.found.append(Missing(name_of(variant), f"it is for {only} alone"))
    return found


def _servers(subject: Subject, variants: list[Variant], plan: Plan, sheet: Sheet) -> None:
    sheet.part(
        "one front's no-op rate", START_S + plan.seconds, partial(served.front, subject, plan)
    )
    for variant in variants:
        name = name_of(variant)
        serve = partial(served.harbor, subject, variant, plan)
        sheet.part(f"{name}: over HTTP", 2 * START_S + 3 * plan.seconds, serve)
        if variant.layout == "padded":
            beside = partial(served.plain, subject, variant, plan)
            sheet.part(f"{name}: Harbor over plain FastAPI", START_S + 2 * plan.seconds, beside)


def _hop(plan: Plan) -> Iterable[Figure]:
    return hop.measure(plan.questions, rounds=1)
