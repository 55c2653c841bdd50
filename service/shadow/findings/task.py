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

    cases: each ticket's latest decision. labelled: every one with a final label, newest first; read
    only where `limit`, of the cases that were asked for, may have cut some off. totals: of every
    comparison recorded. theirs: the cases of other legacies, by name. counted_since: when the plan
    was last changed, if ever. maturity_s: the plan's. tasks: how many the pair
    is judged on. pruned: retention may have removed tickets of the test.
    """

    task: str
    plan: TaskPlan
    alpha: float
    tasks: int
    cases: Iterable[Case]
    made_at: float
    maturity_s: float
    labelled: Iterable[Case] = ()
    totals: Sequence[Total] = ()
    theirs: Mapping[str, Iterable[Case]] = field(default_factory=dict)
    counted_since: float | None = None
    limit: int | None = None
    pruned: bool = False
    texts: examples.Texts = examples.no_texts


def report_task(material: TaskMaterial) -> TaskReport:
    """The chapter, verdict included."""
    newest = sorted(material.cases, key=lambda case: (case.at, case.decision_id), reverse=True)
    truncated = material.limit is not None and len(newest) >= material.limit
    cases = [*labelled.without_repeats(newest)][::-1]
    both = disagreement.compared(cases)
    every = labelled.without_repeats(material.labelled) if truncated else reversed(cases)
    labels = labelled.collect(every, material.plan.guards)
    totals = [one for one in material.totals if one.task == material.task]
    return TaskReport(
        task=material.task,
        cases=len(cases),
        truncated=truncated,
        recorded=sum(one.count for one in totals),
        outcomes=_outcomes(totals),
        labels=len(labels),
        labels_from_review=int(labels.review_N.sum()),
        accuracy=labelled.accuracy(labels.by_agents.pairs),
        worse=segments.worse(labelled.by_agents(both)),
        top=examples.top(both, material.texts),
        review=examples.review(both, material.texts),
        **_apart(material, both),
        **_judged(material, labels, cases, both),
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


def _judged(
    material: TaskMaterial, labels: labelled.Labels, cases: Sequence[Case], both: Sequence[Case]
) -> Fields:
    plan, alpha, tasks = material.plan, material.alpha, material.tasks
    admitted = labelled.admit(
        labels, material.made_at, material.maturity_s, material.counted_since or 0.0
    )
    test = evidence.examine(admitted, plan, alpha, tasks)
    guarded = guards.watch(plan.guards, admitted.labels)
    biased = checks.feedback_bias(both, plan.criterion, waits=material.maturity_s > 0.0)
    checked = (checks.drop_bias(cases), biased)
    needed = evidence.missing(admitted, plan, alpha, tasks)
    judgement = judge_task(test, guarded, checked, needed, beheaded=material.pruned)
    return {"judgement": judgement, "test": test, "guards": guarded, "checks": checked}


def _outcomes(totals: Sequence[Total]) -> tuple[Reasoned, ...]:
    order = ("compared", "dropped", "failed")
    ranked = sorted(
        totals, key=lambda one: (order.index(one.outcome), -one.count, one.reason or "")
    )
    return tuple(
        Reasoned(outcome=one.outcome, reason=one.reason, count=one.count) for one in ranked
    )
