"""A SQLite ledger comes in; what a report says of all of it goes out: models, plan, feedback."""

import json
import sqlite3
from typing import Any, NamedTuple

from tests.benchmarks.recompute.rows import Pair, Row

GUARD = {"margin": 0.0, "min_labels": 30}
TASK = {"criterion": "superiority", "margin": 0.0, "horizon": None, "guards": []}
PLAN = {"alpha": 0.05, "maturity_days": 3.0}


class InForce(NamedTuple):
    """The newest plan, since when it is the same test, how often it was another before."""

    plan: Row
    registered_at: float | None
    revisions: int

    @property
    def counted_since(self) -> float:
        """From which decision on tickets count."""
        return (self.registered_at or 0.0) if self.revisions else 0.0


def newest_pair(connection: sqlite3.Connection, legacy: str) -> tuple[Pair, str]:
    """The models that met last under this name, or that were to meet, and the legacy's role."""
    met = connection.execute(
        "select c.role, d.bundle_digest, c.identity from comparisons c"
        " join decisions d on d.id = c.decision_id where c.legacy = ? order by d.at desc limit 1",
        (legacy,),
    ).fetchone()
    if met is not None:
        models = (met[1], met[2]) if met[0] == "incumbent" else (met[2], met[1])
        return Pair(legacy, *models), met[0]
    planned = connection.execute(
        "select challenger, incumbent, plan from registrations where legacy = ?"
        " order by number desc limit 1",
        (legacy,),
    ).fetchone()
    if planned is None:
        return Pair(legacy, "", ""), ""
    return Pair(legacy, planned[0], planned[1]), json.loads(planned[2])["role"]


def times(connection: sqlite3.Connection, pair: Pair) -> Row:
    """When the pair's first and last decisions were made."""
    found = connection.execute(
        "select d.at, d.bundle_digest, c.identity, c.role from comparisons c"
        " join decisions d on d.id = c.decision_id where c.legacy = ?",
        (pair.legacy,),
    )
    moments = [
        at
        for at, primary, identity, role in found
        if ((primary, identity) if role == "incumbent" else (identity, primary)) == pair[1:]
    ]
    return {"since": min(moments, default=None), "until": max(moments, default=None)}


def others(connection: sqlite3.Connection, legacy: str) -> list[str]:
    """The other legacies that were compared."""
    rows = connection.execute(
        "select distinct c.legacy from comparisons c join decisions d on d.id = c.decision_id"
    )
    return sorted({row[0] for row in rows} - {legacy})


def plan_in_force(connection: sqlite3.Connection, pair: Pair, role: str) -> InForce:
    """What the registrations of the pair say, with the defaults of a plan written out."""
    rows = connection.execute(
        "select at, plan from registrations where legacy = ? and challenger = ? and incumbent = ?"
        " order by number",
        pair,
    ).fetchall()
    if not rows:
        plain = {"legacy": pair.legacy, "tasks": {task: {} for task in _tasks(connection, pair)}}
        return InForce(_whole(plain, role), None, 0)
    plans = [_whole(json.loads(text), role) for _, text in rows]
    changed = [
        at for (at, _), one, next_ in zip(rows[1:], plans, plans[1:], strict=False) if one != next_
    ]
    return InForce(plans[-1], changed[-1] if changed else rows[0][0], len(changed))


def pruned_until(connection: sqlite3.Connection) -> float | None:
    """When the newest decision was made that retention has removed."""
    found = connection.execute("select max(until) from prunings").fetchone()[0]
    return None if found is None else float(found)


def feedback(connection: sqlite3.Connection) -> Row:
    """The final labels of the whole ledger: with history, distinct, corrected, of no decision."""
    labels: dict[tuple[Any, ...], set[str]] = {}
    rows = connection.execute(
        "select ticket_id, request_id, task, label, received_at from feedback"
    ).fetchall()
    for ticket, request, task, label, _ in rows:
        labels.setdefault((ticket, request, task), set()).add(label)
    decided = connection.execute("select ticket_id, request_id from decisions").fetchall()
    tickets, requests = ({row[place] for row in decided} for place in (0, 1))
    lost: dict[tuple[Any, Any], float] = {}
    for ticket, request, _, _, at in rows:
        if ticket not in tickets if ticket is not None else request not in requests:
            lost[ticket, request] = max(at, lost.get((ticket, request), at))
    newest = sorted(lost, key=lambda ids: (-lost[ids], ids[0] or ids[1]))
    return {
        "received": len(rows),
        "labelled": len(labels),
        "corrected": sum(len(given) > 1 for given in labels.values()),
        "unmatched": len(lost),
        "unmatched_ids": [ticket or request for ticket, request in newest[:100]],
    }


def _tasks(connection: sqlite3.Connection, pair: Pair) -> list[str]:
    rows = connection.execute(
        "select distinct c.task from comparisons c join decisions d on d.id = c.decision_id"
        " where c.legacy = ? and (d.bundle_digest, c.identity) in (values (?, ?), (?, ?))",
        (pair.legacy, *pair[1:], *pair[:0:-1]),
    )
    return sorted(row[0] for row in rows)


def _whole(plan: Row, role: str) -> Row:
    tasks = {name: {**TASK, **task} for name, task in plan["tasks"].items()}
    for task in tasks.values():
        task["guards"] = [{**GUARD, **guard} for guard in task["guards"]]
    return {**PLAN, **plan, "role": role, "tasks": tasks}
