"""A ledger comes in; the verdict on a pair of models, with everything it rests on, goes out."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from service.errors import UnknownLegacy
from service.ledger.records import Case, Registration, Role
from service.ledger.scope import Pair, Scope, Total
from service.ledger.store import Store
from service.shadow.findings.document import Feedback, PlanInForce, Report
from service.shadow.findings.examples import Texts, no_texts
from service.shadow.findings.task import TaskMaterial, report_task
from service.shadow.plan import Plan, TaskPlan
from service.shadow.verdict import judge

Others = Mapping[str, Iterable[Case]]
"""Cases of other legacies, by name."""

LIMIT = 200_000
"""Cases of one task that are held at once, the newest: about 0.2 ms and half a kilobyte each."""
DAY_S = 86_400.0


@dataclass(frozen=True)
class Met:
    """Two models that met, beside their cases.

    role: of the legacy now. since, until: first and last decision. registrations: oldest first.
    totals: every comparison recorded. others: legacies with reports of their own.
    limit: cases of a task that were asked for at most. pruned_until: time of the newest decision
    that retention has removed.
    """

    legacy: str
    role: Role
    challenger: str
    incumbent: str
    since: float | None = None
    until: float | None = None
    registrations: Sequence[Registration] = ()
    totals: Sequence[Total] = ()
    feedback: Feedback = field(default_factory=Feedback)
    others: Sequence[str] = ()
    limit: int | None = None
    pruned_until: float | None = None


def build(
    met: Met,
    cases: Mapping[str, Iterable[Case]],
    made_at: float,
    theirs: Mapping[str, Others] | None = None,
    labelled: Mapping[str, Iterable[Case]] | None = None,
    texts: Texts = no_texts,
) -> Report:
    """The report on two models.

    cases: by task, one for each ticket; read once, one task after the other. theirs: by task, what
    other legacies said to the same decisions. labelled: by task, every case with a final label,
    newest first; read where there may be more cases than `met.limit`. made_at: seconds since the
    epoch.
    """
    force = in_force(met, tuple(cases))
    shared = _shared(met, force) | {"made_at": made_at, "texts": texts}
    materials = (
        TaskMaterial(
            task=task,
            plan=plan,
            cases=cases.get(task, ()),
            labelled=(labelled or {}).get(task, ()),
            theirs=(theirs or {}).get(task, {}),
            **shared,
        )
        for task, plan in force.plan.tasks.items()
    )
    tasks = tuple(map(report_task, materials))
    return Report(
        made_at=made_at,
        legacy=met.legacy,
        role=met.role,
        challenger=met.challenger,
        incumbent=met.incumbent,
        since=met.since,
        until=met.until,
        overall=judge({one.task: one.judgement for one in tasks}),
        plan=force,
        feedback=met.feedback,
        others=tuple(met.others),
        tasks=tasks,
    )


def in_force(met: Met, tasks: Sequence[str]) -> PlanInForce:
    """The newest plan, since when it is the same test, and how often it was another before.

    A promotion turns the legacy's role round and leaves the test as it is. Without a plan every
    task of `tasks` is tested for superiority.
    """
    plans = [(one.at, Plan.model_validate_json(one.plan)) for one in met.registrations]
    if not plans:
        plain = Plan(legacy=met.legacy, role=met.role, tasks=dict.fromkeys(tasks, TaskPlan()))
        return PlanInForce(plan=plain, registered_at=None, revisions=0)
    changed = [
        at for (_, before), (at, after) in pairwise(plans) if _tested(before) != _tested(after)
    ]
    plan = plans[-1][1].model_copy(update={"role": met.role})
    return PlanInForce(
        plan=plan, registered_at=changed[-1] if changed else plans[0][0], revisions=len(changed)
    )


def read_report(
    store: Store,
    legacy: str | None = None,
    made_at: float | None = None,
    *,
    with_text: bool = True,
    limit: int = LIMIT,
) -> Report:
    """The report on the newest pair of models of a legacy; of the newest legacy where None.

    made_at: seconds since the epoch, now where None. with_text: whether it may quote the redacted
    text of disagreements, where the ledger keeps any. limit: newest cases of a task that are looked
    at; labels count without it. Raises UnknownLegacy where the ledger knows no such pair,
    LedgerUnavailable.
    """
    met = replace(read_met(store, legacy), limit=limit)
    tasks = tuple(in_force(met, sorted({one.task for one in met.totals})).plan.tasks)
    rivals = {one.legacy: one for one in reversed(store.pairs()) if one.legacy in met.others}
    return build(
        met,
        {task: store.cases(scope(met, task, limit)) for task in tasks},
        time.time() if made_at is None else made_at,
        {
            task: {name: store.cases(scope(rivals[name], task, limit)) for name in rivals}
            for task in tasks
        },
        {task: store.cases(every_label(met, task)) for task in tasks},
        store.texts if with_text else no_texts,
    )


def read_met(store: Store, legacy: str | None = None) -> Met:
    """The newest pair of models of a legacy, without its cases. Raises as `read_report`."""
    seen = store.pairs()
    mine = [one for one in seen if legacy in (None, one.legacy)]
    plans = store.registrations(legacy)
    if not mine and not plans:
        raise UnknownLegacy(f"no comparison with {legacy or 'any legacy'} is in the ledger")
    pair = mine[0] if mine else plans[-1]
    same = [one for one in mine if _models(one) == _models(pair)]
    return Met(
        legacy=pair.legacy,
        role=pair.role if isinstance(pair, Pair) else Plan.model_validate_json(pair.plan).role,
        challenger=pair.challenger,
        incumbent=pair.incumbent,
        since=min((one.first for one in same), default=None),
        until=max((one.last for one in same), default=None),
        registrations=tuple(one for one in plans if _models(one) == _models(pair)),
        totals=tuple(store.totals(scope(pair))),
        feedback=_feedback(store),
        others=tuple(sorted({one.legacy for one in seen} - {pair.legacy})),
        pruned_until=store.pruned_until(),
    )


def _shared(met: Met, force: PlanInForce) -> dict[str, Any]:
    """What is the same for every task."""
    return {
        "alpha": force.plan.alpha,
        "maturity_s": force.plan.maturity_days * DAY_S,
        "tasks": len(force.plan.tasks),
        "totals": met.totals,
        "counted_since": force.registered_at if force.revisions else None,
        "limit": met.limit,
        "pruned": _is_pruned(met, force),
    }


def _is_pruned(met: Met, force: PlanInForce) -> bool:
    """Whether retention may have removed tickets of the test."""
    if met.pruned_until is None:
        return False
    return force.registered_at is None or met.pruned_until >= force.registered_at


def _tested(plan: Plan) -> tuple[object, ...]:
    return plan.alpha, plan.maturity_days, plan.tasks


def _models(pair: Pair | Registration) -> tuple[str, str, str]:
    return pair.legacy, pair.challenger, pair.incumbent


def scope(
    pair: Met | Pair | Registration, task: str | None = None, limit: int | None = LIMIT
) -> Scope:
    """The comparisons of one pair of models, the newest `limit` of them."""
    return Scope(pair.legacy, pair.challenger, pair.incumbent, task, limit=limit)


def every_label(pair: Met, task: str) -> Scope:
    """The comparisons of one pair of models whose tickets have a final label: all of them."""
    return replace(scope(pair, task, limit=None), labelled_only=True)


def _feedback(store: Store) -> Feedback:
    counts, unmatched = store.feedback_counts(), store.unmatched()
    return Feedback(
        received=counts.received,
        labelled=counts.labelled,
        corrected=counts.corrected,
        unmatched=unmatched.ids,
        unmatched_ids=unmatched.newest,
    )
