"""Simulated cases and a plan come in; a report on them goes out."""

from collections import Counter
from collections.abc import Sequence

from service.ledger.records import Case, Registration
from service.ledger.scope import Total
from service.shadow.plan import Plan, TaskPlan
from service.shadow.report import Met, Report, build
from tests.service.shadow.cases import CHALLENGER, DAY_S, INCUMBENT, START

SUPERIOR = TaskPlan()
END = START + 30 * DAY_S
"""When the reports are made: every ticket is old enough to count."""


def plan_of(task: str = "category", plan: TaskPlan = SUPERIOR, alpha: float = 0.05) -> Plan:
    """A plan with one task."""
    return Plan(legacy="old-desk", role="incumbent", alpha=alpha, tasks={task: plan})


def registered(at: float, plan: Plan) -> Registration:
    """The plan as it stood from `at` on."""
    return Registration(at, plan.legacy, CHALLENGER, INCUMBENT, plan.model_dump_json())


def met(cases: Sequence[Case], *registrations: Registration) -> Met:
    """The pair of models behind the cases."""
    totals = Counter((case.task, case.outcome, case.reason) for case in cases)
    return Met(
        legacy="old-desk",
        role=cases[-1].role if cases else "incumbent",
        challenger=CHALLENGER,
        incumbent=INCUMBENT,
        since=cases[0].at if cases else None,
        until=cases[-1].at if cases else None,
        registrations=registrations,
        totals=[Total(*key, count=count) for key, count in totals.items()],
    )


def report_on(cases: Sequence[Case], plan: TaskPlan = SUPERIOR) -> Report:
    """The report on cases of the task `category`, under a plan that was there from the start."""
    facts = met(cases, registered(START, plan_of(plan=plan)))
    return build(facts, {"category": cases}, END)
