"""Facts of a desk come in; the approach that the decision table recommends for it goes out.

The rules are a table, read from the top: the first that holds decides. They are advice to begin
with; `harbor-train compare` has the last word.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from training.audit.finding import percent
from training.doctor.check import Check, check

NAME = "approach"
SCARCE, PLENTY = 1_000, 20_000
"""Labelled training tickets of a task: below, it gains from others; from there, it needs none."""
UNRELATED, RELATED = 0.02, 0.1
"""The share of a label's entropy that another task's label removes."""


@dataclass(frozen=True)
class Facts:
    """tasks: how many. labelled: training tickets of the scarcest and of the largest task.
    related: the largest share of a task's entropy that another task's label removes, 0 to 1; 1
    where the one is a function of the other. derived: a primary task is such a function.
    conflicts: pairs whose gradients were found to oppose each other; None where none were compared.
    passes: what serving may cost at most, in passes of the encoder a ticket.
    """

    tasks: int
    scarcest: int
    largest: int
    related: float
    derived: bool
    conflicts: int | None
    passes: float


@dataclass(frozen=True)
class Rule:
    """when: in words. holds: the same as code. approach: what to do, in words. schemes: the values
    of model.sharing that do it, the first of them preferred. because: the reason and its source.
    """

    when: str
    holds: Callable[[Facts], bool]
    approach: str
    schemes: tuple[str, ...]
    because: str


RULES: tuple[Rule, ...] = (
    Rule(
        "there is one task",
        lambda facts: facts.tasks == 1,
        "single-task model",
        ("hard",),
        "there is nothing to share",
    ),
    Rule(
        "a primary task is a function of another one's label",
        lambda facts: facts.derived,
        "derive that task by rule and train the rest",
        ("hard",),
        "a lookup is right where a model only nearly is",
    ),
    Rule(
        "tasks conflict, and serving may cost a pass a task",
        lambda facts: bool(facts.conflicts) and facts.passes >= facts.tasks,
        "single-task models, or soft sharing",
        ("soft", "lora", "bottleneck"),
        "tasks that oppose each other do better apart where it can be paid for (Standley et al. "
        "2020, arXiv:1905.07553)",
    ),
    Rule(
        "tasks conflict, and serving may cost more than one pass",
        lambda facts: bool(facts.conflicts) and facts.passes > 1.0,
        "adapters on the top layers",
        ("lora", "bottleneck", "conditioned"),
        "each task gets layers of its own where they differ most, at 1 + (T-1)k/L passes (Houlsby "
        "et al. 2019, arXiv:1902.00751)",
    ),
    Rule(
        "tasks conflict, and serving may cost one pass",
        lambda facts: bool(facts.conflicts),
        "experts with a gate a task, or hard sharing with a gradient method",
        ("mmoe", "ple", "hard"),
        "gates share less between tasks that differ, in one pass (Ma et al. 2018, KDD)",
    ),
    Rule(
        f"no task needs help: {PLENTY:,} labels each, unrelated, and a pass a task may be paid",
        lambda facts: (
            facts.scarcest >= PLENTY and facts.related < UNRELATED and facts.passes >= facts.tasks
        ),
        "single-task models",
        ("soft", "hard"),
        "nothing is gained by sharing what is plentiful and unrelated",
    ),
    Rule(
        f"the scarcest task has fewer than {SCARCE:,} labels, and no conflict is known",
        lambda facts: facts.scarcest < SCARCE,
        "hard sharing, sampling by temperature",
        ("hard",),
        "a scarce task gains most from shared layers, and has too few labels to train layers of "
        "its own (Caruana 1997, Machine Learning 28)",
    ),
    Rule(
        "otherwise",
        lambda _: True,
        "hard sharing",
        ("hard",),
        "it costs one pass, and well tuned equal weights match specialised methods (Kurin et al. "
        "2022, arXiv:2201.04122; Xin et al. 2022, arXiv:2209.11379)",
    ),
)


def decide(facts: Facts, rules: Sequence[Rule] = RULES) -> Rule:
    """The first rule that holds; the last one always does."""
    return next(rule for rule in rules if rule.holds(facts))


def recommend(facts: Facts, scheme: str) -> Check:
    """Whether the configured scheme is what the table recommends."""
    rule = decide(facts)
    known = "not compared" if facts.conflicts is None else str(facts.conflicts)
    said = (
        f"{facts.tasks} tasks, {facts.scarcest:,} to {facts.largest:,} labelled training tickets, "
        f"relatedness {percent(facts.related)}, conflicting pairs {known}, {facts.passes:g} passes "
        f"to spend. Rule: {rule.when}; then {rule.approach}: {rule.because}"
    )
    fits = scheme in rule.schemes
    return check(
        NAME,
        "pass" if fits else "warn",
        rule.approach,
        said,
        "what to share depends on how many tickets there are, how related the tasks are, and what "
        "serving may cost",
        f"model.sharing is {scheme}; try {' or '.join(rule.schemes)}, and compare both",
    )
