"""A SQLite ledger and the JSON of its report come in; the same report goes out, computed a second
time from the rows alone, and where the two differ.
"""

import sqlite3
from pathlib import Path

from tests.benchmarks.recompute import checks, examples, figures, ledger
from tests.benchmarks.recompute.compare import Ranked, Result
from tests.benchmarks.recompute.counts import differs, rate
from tests.benchmarks.recompute.judgement import judge, overall
from tests.benchmarks.recompute.ledger import InForce
from tests.benchmarks.recompute.rows import Pair, Read, Row, read
from tests.benchmarks.recompute.trial import admit, claims, guard, test

LIMIT = 200_000
DAY_S = 86_400.0


def recompute(path: Path, report: Row, limit: int = LIMIT) -> Result:
    """Every leaf of the report against the ledger. limit: newest tickets it looks at."""
    result = Result()
    result.equal("", report, expected(path, report, limit))
    return result


def expected(path: Path, report: Row, limit: int = LIMIT) -> Row:
    """The report as it should be.

    Of the given one it takes what no ledger knows: whose it is, when it was made, and whether it
    may quote text.
    """
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    try:
        return _whole(connection, report, limit)
    finally:
        connection.close()


def _whole(connection: sqlite3.Connection, report: Row, limit: int) -> Row:
    pair, role = ledger.newest_pair(connection, report["legacy"])
    force = ledger.plan_in_force(connection, pair, role)
    quotes = any(one["subject"] for task in report["tasks"] for one in _listed(task))
    texts = examples.texts(connection) if quotes else {}
    tasks = [
        _task(connection, (pair, task, limit), force, report["made_at"], texts)
        for task in force.plan["tasks"]
    ]
    plan, registered_at, revisions = force
    return {
        "schema_version": 1,
        "made_at": report["made_at"],
        **pair._asdict(),
        "role": role,
        **ledger.times(connection, pair),
        "overall": overall({task["task"]: task["judgement"] for task in tasks}),
        "plan": {"plan": plan, "registered_at": registered_at, "revisions": revisions},
        "feedback": ledger.feedback(connection),
        "others": ledger.others(connection, pair.legacy),
        "tasks": tasks,
    }


def _task(
    connection: sqlite3.Connection,
    what: tuple[Pair, str, int],
    force: InForce,
    made_at: float,
    texts: examples.Texts,
) -> Row:
    pair, task, limit = what
    cases = read(connection, pair, task, limit)
    both = [case for case in cases.newest if case["outcome"] == "compared"]
    judged = _judged(cases, force, task, made_at)
    beheaded = _is_beheaded(ledger.pruned_until(connection), force)
    stated = claims(force.plan["tasks"][task], force.plan["alpha"], len(force.plan["tasks"]))
    return {
        "task": task,
        "judgement": judge(judged, stated, beheaded),
        "cases": len(cases.newest),
        "truncated": cases.truncated,
        "recorded": cases.outcomes.total(),
        "outcomes": figures.outcomes(cases.outcomes),
        "disagreement": rate(sum(map(differs, both)), len(both)),
        **figures.agreement(both),
        "days": figures.days(both),
        "segments": figures.apart(both),
        "noise": _noise(connection, what, both),
        **_labelled(cases, both),
        **judged,
        "top": examples.top(both, texts),
        "review": examples.review(both, texts),
    }


def _labelled(cases: Read, both: list[Row]) -> Row:
    agents = [case for case in cases.labelled if case["source"] != "review"]
    newest = [case for case in both if case["source"] not in (None, "review")]
    return {
        "labels": len(cases.labelled),
        "labels_from_review": len(cases.labelled) - len(agents),
        "accuracy": figures.accuracy(agents),
        "worse": figures.worse(newest),
    }


def _judged(cases: Read, force: InForce, task: str, made_at: float) -> Row:
    plan, whole = force.plan["tasks"][task], force.plan
    maturity_s = whole["maturity_days"] * DAY_S
    admitted = admit(cases.labelled, made_at, maturity_s, force.counted_since)
    both = [case for case in cases.newest if case["outcome"] == "compared"]
    superior = plan["criterion"] == "superiority"
    return {
        "test": test(admitted, plan, claims(plan, whole["alpha"], len(whole["tasks"]))),
        "guards": [guard(one, admitted.cases) for one in plan["guards"]],
        "checks": [
            checks.drop_bias(cases.newest),
            checks.feedback_bias(both, superior, maturity_s > 0),
        ],
    }


def _noise(connection: sqlite3.Connection, what: tuple[Pair, str, int], both: list[Row]) -> Ranked:
    """How often the other legacies differ from this one."""
    pair, task, limit = what
    mine = {case["decision_id"]: case["label"] for case in both}
    found = []
    for other in ledger.others(connection, pair.legacy):
        theirs = read(connection, ledger.newest_pair(connection, other)[0], task, limit)
        apart = [
            case["label"] != mine[case["decision_id"]]
            for case in theirs.newest
            if case["outcome"] == "compared" and case["decision_id"] in mine
        ]
        found.append({**rate(sum(apart), len(apart)), "other": other})
    return Ranked(found, lambda row: row["other"])


def _is_beheaded(pruned_until: float | None, force: InForce) -> bool:
    """Whether retention may have removed tickets of the test."""
    if pruned_until is None:
        return False
    return force.registered_at is None or pruned_until >= force.registered_at


def _listed(task: Row) -> list[Row]:
    return [*task["top"], *task["review"]]
