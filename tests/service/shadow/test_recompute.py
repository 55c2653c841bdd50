"""Every report is computed a second time from the ledger's rows alone; no leaf of it can be wrong
without that being noticed.
"""

import copy
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from service.ledger.records import Case, FinalLabel
from service.ledger.store import Store
from service.shadow.plan import Guard, TaskPlan
from service.shadow.report import read_report
from tests.benchmarks.recompute.compare import Result
from tests.benchmarks.recompute.report import expected, recompute
from tests.service.shadow.cases import DAY_S, START, World, simulate, untidy
from tests.service.shadow.filled import fill
from tests.service.shadow.met import END, plan_of, registered

Place = tuple[str | int, ...]

OF_THE_REPORT = ("legacy", "made_at")
"""Fields that the second computation starts from."""


def beside(first: Sequence[Case], cases: Sequence[Case]) -> list[Case]:
    """Cases of another task on the same tickets."""
    return [
        replace(
            case,
            at=one.at,
            language=one.language,
            tokens=one.tokens,
            ticket_id=one.ticket_id,
            request_id=one.request_id,
        )
        for one, case in zip(first, cases, strict=True)
    ]


def desk(path: Path, world: World, other: World, plan: TaskPlan, text: bool = False) -> Any:
    """The JSON of a report on two tasks, of which the second is tested for equivalence."""
    one = untidy(simulate(world, seed=1))
    two = beside(one, untidy(simulate(replace(other, task="urgency"), seed=2)))
    guards = (
        Guard(dimension="language", value="de", min_labels=1_000),
        Guard(dimension="channel", value="mail", margin=0.0, min_labels=5),
    )
    whole = plan_of(plan=plan)
    equivalence = TaskPlan(criterion="equivalence", margin=0.05, horizon=10_000, guards=guards)
    tasks = {**whole.tasks, "urgency": equivalence}
    with Store(f"sqlite:///{path}") as store:
        fill(store, one, two, text=text)
        store.register(registered(START - 1.0, plan_of(alpha=0.01)))
        store.register(registered(START + DAY_S / 4, whole.model_copy(update={"tasks": tasks})))
        rival = [replace(case, legacy_label="sales") for case in one[: len(one) // 2]]
        fill(store, rival, legacy="crm")
        store.add_feedback([FinalLabel("category", "sales", ticket_id="lost")], START)
        store.add_feedback([FinalLabel("category", "sales", request_id="gone")], START + 9.0)
        report = read_report(store, "old-desk", made_at=START + world.days * DAY_S + 2 * DAY_S)
    return report.model_dump(mode="json")


SMALL = World(days=4.0, tickets_a_day=90, gap=0.3, discordance=0.4, lost=0.1)


def test_every_figure_is_recomputed_from_the_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    guards = (Guard(dimension="language", value="de", margin=0.5),)
    report = desk(
        path,
        World(gap=0.08, tickets_a_day=60),
        World(gap=-0.2, discordance=0.25, tickets_a_day=60),
        TaskPlan(horizon=300, guards=guards),
    )
    result = recompute(path, report)
    assert result.differences == []
    assert result.figures > 3_000
    verdicts = [task["judgement"]["verdict"] for task in report["tasks"]]
    assert verdicts == ["promote", "roll_back"]


def test_a_pair_without_a_plan_is_recomputed(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with Store(f"sqlite:///{path}") as store:
        fill(store, simulate(World(tickets_a_day=20)))
        report = read_report(store, made_at=END)
    assert recompute(path, report.model_dump(mode="json")).differences == []


def test_labels_that_came_in_bulk_and_still_wait_are_recomputed(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    cases = [
        replace(case, labelled_at=START + 15 * DAY_S if case.final_label else None)
        for case in simulate(World(tickets_a_day=20, discordance=0.3))
    ]
    with Store(f"sqlite:///{path}") as store:
        fill(store, cases)
        reports = [read_report(store, made_at=START + days * DAY_S) for days in (15, 45)]
    for report in reports:
        (task,) = report.tasks
        assert task.test.delay_s is not None
        assert "took up to" in task.judgement.reasons[-1]
        assert recompute(path, report.model_dump(mode="json")).differences == []
    assert [report.tasks[0].test.labels > 0 for report in reports] == [False, True]


def test_a_test_without_its_first_tickets_is_recomputed(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with Store(f"sqlite:///{path}") as store:
        fill(store, simulate(World(tickets_a_day=20)))
        store.prune(START + 15 * DAY_S, keep_days=10, max_mb=1e6)
        report = read_report(store, made_at=END)
    assert recompute(path, report.model_dump(mode="json")).differences == []


def test_no_leaf_of_a_report_can_change_unnoticed(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    report = desk(path, SMALL, replace(SMALL, gap=-0.02), TaskPlan(horizon=50), text=True)
    again = expected(path, report)
    assert differences(report, again) == []
    unnoticed, tried = set(), 0
    for place in places(report):
        for wrong in changes(at(report, place), place):
            tried += 1
            if place[0] in OF_THE_REPORT:
                changed = {**report, place[0]: wrong}
                found = differences(changed, expected(path, changed))
            else:
                found = differences(*around(report, again, place, wrong))
            if not found:
                unnoticed.add(place)
    assert tried > 3_000
    assert [place for place in unnoticed if not is_free(place, at(report, place))] == []


def is_free(place: Place, value: Any) -> bool:
    """What may change unnoticed, and nothing else.

    When a report was made no ledger knows; the labels that it lets count are checked. The wording
    of a reason is free; how many reasons there are, and every number in them, is checked.
    """
    if place == ("made_at",):
        return True
    return place[-2:-1] == ("reasons",) and re.search(r"\d", value) is None


def differences(report: Any, again: Any) -> list[str]:
    result = Result()
    result.equal("", report, again)
    return result.differences


def places(value: Any, here: Place = ()) -> Iterator[Place]:
    """Of every leaf, and of every list."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from places(one, (*here, key))
        return
    yield here
    if isinstance(value, list):
        for number, one in enumerate(value):
            yield from places(one, (*here, number))


def changes(value: Any, place: Place) -> Iterator[Any]:
    """What could stand there instead: another value of the kind, fewer entries, another order."""
    if isinstance(value, list):
        yield value[:-1] if value else [0]
        if value[::-1] != value:
            yield value[::-1]
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield value + 1
    elif isinstance(value, float):
        yield value + 1e-6 * max(1.0, abs(value))
    elif value is None:
        yield 0
    elif "reasons" in place and re.search(r"\d", value):
        for digit in re.finditer(r"\d", value):
            yield value[: digit.start()] + str((int(digit[0]) + 1) % 10) + value[digit.end() :]
    else:
        yield value + "x"


def at(report: Any, place: Place) -> Any:
    for step in place:
        report = report[step]
    return report


def around(report: Any, again: Any, place: Place, wrong: Any) -> tuple[Any, Any]:
    """Both reports from where they can be compared on: the one with another value in one place.

    Two documents are compared place by place, so nothing outside could notice.
    """
    while place and isinstance(again, dict | list):
        report, again, place = at(report, place[:1]), again[place[0]], place[1:]
    return put(report, place, wrong), again


def put(report: Any, place: Place, value: Any) -> Any:
    """A report that is other in one place; the rest is shared."""
    if not place:
        return value
    changed = copy.copy(report)
    changed[place[0]] = put(report[place[0]], place[1:], value)
    return changed
