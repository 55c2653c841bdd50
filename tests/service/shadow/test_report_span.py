"""How far back a report reads: newest tickets, every label, and what retention has left."""

from dataclasses import replace
from pathlib import Path

from service.ledger.store import Store
from service.shadow.plan import Guard, TaskPlan
from service.shadow.report import build, read_report
from tests.benchmarks.recompute.report import recompute
from tests.service.shadow.cases import DAY_S, START, World, simulate, untidy
from tests.service.shadow.filled import fill
from tests.service.shadow.met import END, met, plan_of, registered, report_on

GAIN = World(gap=0.04, tickets_a_day=250)
CLEAR = World(gap=0.2, discordance=0.3, tickets_a_day=90)
"""Shown by few tickets: writing them to a ledger is what takes long."""


def test_beyond_the_limit_labels_count_all_the_same_and_the_rest_is_of_the_newest() -> None:
    cases = simulate(GAIN)
    facts = met(cases, registered(START, plan_of()))
    newest = cases[-500:]
    for limit, truncated in ((len(newest), True), (len(newest) + 1, False)):
        report = build(
            replace(facts, limit=limit),
            {"category": newest},
            END,
            labelled={"category": (case for case in cases[::-1] if case.final_label)},
        )
        whole = report_on(cases if truncated else newest).tasks[0]
        (task,) = report.tasks
        assert (task.truncated, task.cases) == (truncated, 500)
        for part in ("judgement", "test", "guards", "accuracy", "labels"):
            assert getattr(task, part) == getattr(whole, part)
        assert task.disagreement.n == len([one for one in newest if one.outcome == "compared"])


def test_a_long_test_keeps_its_verdict(tmp_path: Path) -> None:
    """Whose first labels are far behind the newest tickets."""
    guard = Guard(dimension="language", value="de", margin=0.02)
    path = tmp_path / "ledger.db"
    with Store(f"sqlite:///{path}") as store:
        store.register(registered(START, plan_of(plan=TaskPlan(horizon=300, guards=(guard,)))))
        fill(store, untidy(simulate(CLEAR)))
        (whole,) = read_report(store, made_at=END).tasks
        short_report = read_report(store, made_at=END, limit=300)
    (short,) = short_report.tasks
    assert whole.judgement.verdict == "promote"
    assert (whole.truncated, short.truncated) == (False, True)
    assert short.cases <= 300 < short.test.labels
    for part in ("test", "guards", "accuracy", "labels", "labels_from_review"):
        assert getattr(short, part) == getattr(whole, part)
    assert short.judgement.verdict == "promote"
    assert recompute(path, short_report.model_dump(mode="json"), limit=300).differences == []


def test_a_test_whose_first_tickets_retention_removed_has_no_verdict(tmp_path: Path) -> None:
    cases = simulate(CLEAR)
    with Store(f"sqlite:///{tmp_path / 'ledger.db'}") as store:
        store.register(registered(START, plan_of()))
        fill(store, cases)
        assert read_report(store, made_at=END).overall.verdict == "promote"
        store.prune(START + 15 * DAY_S, keep_days=13, max_mb=1e6)
        (task,) = read_report(store, made_at=END).tasks
        assert task.judgement.verdict == "keep"
        assert "retention" in task.judgement.reasons[0]
        changed = START + 2 * DAY_S + 1
        store.register(registered(changed, plan_of(alpha=0.04)))
        (task,) = read_report(store, made_at=END).tasks
        assert "retention" not in task.judgement.reasons[0]
