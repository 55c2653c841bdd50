"""Everything known about one task of a pair of models comes in; its chapter of the report goes
out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from service.ledger.records import Case
from service.ledger.scope import Total
from service.shadow.findings import (
    checks,
    disagreement,
    evidence,
    examples,
    guards,
    labelled,
    segments,
)
from service.shadow.findings.document import Reasoned, TaskReport
from service.shadow.plan import TaskPlan
from service.shadow.verdict import judge_task

Fields = dict[str, Any]
"""Of a `TaskReport`, by name."""


@dataclass(frozen=True)
class TaskMaterial:
    """What the ledger holds about one task.

    cases: each ticket's latest decision. totals: of every comparison recorded. theirs: the cases of
    other legacies, by name. counted_since: when the plan was last changed, if ever. tasks: how many
    the pair is judged on. limit: cases that were asked for at most. pruned: retention may have
    removed tickets of the test.
    """

    task: str
    plan: TaskPlan
    alpha: float
    tasks: int
    cases: Iterable[Case]
    totals: Sequence[Total] = ()
    theirs: Mapping[str, Iterable[Case]] = field(default_factory=dict)
    counted_since: float | None = None
    limit: int | None = None
    pruned: bool = False
    texts: examples.Texts = examples.no_texts


def report_task(material: TaskMaterial) -> TaskReport:
    """The chapter, verdict included."""
    read = sorted(material.cases, key=lambda case: (case.at, case.decision_id))
    truncated = material.limit is not None and len(read) >= material.limit
    cut = truncated and read[0].at >= (material.counted_since or 0.0)
    beheaded = cut or material.pruned
    cases = labelled.without_repeats(read)
    both = disagreement.compared(cases)
    totals = [one for one in material.totals if one.task == material.task]
    return TaskReport(
        task=material.task,
        cases=len(cases),
        truncated=truncated,
        recorded=sum(one.count for one in totals),
        outcomes=_outcomes(totals),
        top=examples.top(both, material.texts),
        review=examples.review(both, material.texts),
        **_apart(material, both),
        **_labelled(both),
        **_judged(material, cases, both, beheaded=beheaded),
    )


def _apart(material: TaskMaterial, both: Sequence[Case]) -> Fields:
    matrix, pairs, kappa = disagreement.agreement(both)
    return {
        "disagreement": disagreement.rate(sum(map(disagreement.differs, both)), len(both)),
        "kappa": kappa,
        "matrix": matrix,
        "pairs": pairs,
        "days": disagreement.days(both),
        "segments": segments.apart(both),
        "noise": tuple(
            disagreement.noise(both, name, theirs) for name, theirs in material.theirs.items()
        ),
    }


def _labelled(both: Sequence[Case]) -> Fields:
    known = labelled.labelled(both)
    agents = labelled.by_agents(known)
    return {
        "labels": len(known),
        "labels_from_review": len(known) - len(agents),
        "accuracy": labelled.accuracy(agents),
        "worse": segments.worse(agents),
    }


def _judged(
    material: TaskMaterial, cases: Sequence[Case], both: Sequence[Case], *, beheaded: bool
) -> Fields:
    plan, alpha, tasks = material.plan, material.alpha, material.tasks
    admitted = labelled.admit(labelled.labelled(both), material.counted_since)
    test = evidence.examine(admitted, plan, alpha, tasks)
    guarded = guards.watch(plan.guards, admitted.cases)
    checked = (checks.drop_bias(cases), checks.feedback_bias(both, plan.criterion))
    needed = evidence.missing(admitted, plan, alpha, tasks)
    judgement = judge_task(test, guarded, checked, needed, beheaded=beheaded)
    return {"judgement": judgement, "test": test, "guards": guarded, "checks": checked}


def _outcomes(totals: Sequence[Total]) -> tuple[Reasoned, ...]:
    order = ("compared", "dropped", "failed")
    ranked = sorted(
        totals, key=lambda one: (order.index(one.outcome), -one.count, one.reason or "")
    )
    return tuple(
        Reasoned(outcome=one.outcome, reason=one.reason, count=one.count) for one in ranked
    )
