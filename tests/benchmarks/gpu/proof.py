"""Sessions and tickets come in; proof of the provider, and the agreement with the CPU, go out.

Shapes: N tickets, C classes of a task.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.contract.bundle import Variant
from service.engine.layout import Arrays, Padded
from service.engine.session import ENDS, IDS, MASK, OFFSETS, POSITIONS
from tests.benchmarks.bounds import RATIO, Bound, Figure, at_least
from tests.benchmarks.gpu.plan import Plan
from tests.benchmarks.gpu.sheet import NotMeasurable
from tests.benchmarks.gpu.subject import Subject
from tests.benchmarks.measure import by_length
from tests.benchmarks.opened import Opened, open_variant
from tests.benchmarks.placement import check, placement

SAME_LABEL = 0.999
MOST_DIFFERENCE = {"fp32": 1e-3, "fp16": 5e-3, "int8": 1.0}
"""How far a probability may be off the CPU's."""
BATCH = 32

Rows = Mapping[str, NDArray[np.float32]]
"""(N, C) of each task, the shortest ticket first."""


def provider(subject: Subject, opened: Opened, plan: Plan) -> Iterator[Figure]:
    """How many costly nodes ran, all on the provider. Raises MisplacedError."""
    arrays = opened.lay_out(subject.tokens[:8])
    graph = subject.bundle / opened.variant.file
    placed = placement(graph, plan.provider, feeds(opened, arrays))
    nodes = check(placed, plan.provider)
    yield Figure(f"{opened.name}: costly nodes, all on {plan.provider}", nodes, unit="nodes")


def agreement(
    subject: Subject, opened: Opened, plan: Plan, references: dict[str, Rows]
) -> Iterator[Figure]:
    """Equal labels, of the task that has the fewest, and the largest difference of a probability.

    references: what the CPU said, by file, for those that follow.
    """
    twin = twin_of(subject, opened.variant)
    if twin.file not in references:
        on_cpu = open_variant(subject.bundle, subject.manifest, twin, "cpu")
        references[twin.file] = answers(subject, on_cpu, plan.cores)
    reference, found = references[twin.file], answers(subject, opened, 1)
    same = min(_same(found[name], reference[name]) for name in found)
    gap = max(float(np.abs(found[name] - reference[name]).max()) for name in found)
    on = f"as {twin.file} on the CPU, over {len(subject.tokens)} tickets"
    yield Figure(f"{opened.name}: same label {on}", same, at_least(SAME_LABEL))
    # Another layout of float16 is calibrated for itself: its probabilities are its own.
    own = twin is opened.variant or opened.variant.precision == "fp32"
    bound = Bound(high=MOST_DIFFERENCE[opened.variant.precision]) if own else None
    yield Figure(f"{opened.name}: largest difference of a probability", gap, bound, RATIO)


def feeds(opened: Opened, arrays: Arrays) -> dict[str, NDArray[Any]]:
    """What the graph takes, by the inputs' names."""
    if isinstance(arrays, Padded):
        return {IDS: arrays.ids_BL, MASK: arrays.mask_BL}
    given: dict[str, NDArray[Any]] = {
        IDS: arrays.ids_T,
        POSITIONS: arrays.positions_T,
        ENDS: arrays.ends_E,
    }
    if OFFSETS in opened.session.inputs:
        given[OFFSETS] = arrays.offsets_BL()
    return given


def twin_of(subject: Subject, variant: Variant) -> Variant:
    """The graph to compare with on the CPU: the same, or where it is for CUDA alone the padded one
    of its precision. Raises NotMeasurable.
    """
    others = [one for one in subject.manifest.variants if one.layout == "padded"]
    for one in (variant, *others):
        if one.precision == variant.precision and "cpu" in one.providers:
            return one
    raise NotMeasurable(f"the bundle has no {variant.precision} graph for the CPU")


def answers(subject: Subject, opened: Opened, threads: int) -> Rows:
    """Probabilities of every ticket. threads: batches at once."""
    size = 1 if opened.variant.alone else BATCH
    parts = [opened.lay_out(part) for part in by_length(subject.tokens, size)]
    with ThreadPoolExecutor(threads) as pool:
        found = [outputs.probabilities for outputs in pool.map(opened.run, parts)]
    return {name: np.concatenate([rows[name] for rows in found]) for name in found[0]}


def _same(one_NC: NDArray[np.float32], other_NC: NDArray[np.float32]) -> float:
    return float((one_NC.argmax(axis=1) == other_NC.argmax(axis=1)).mean())
