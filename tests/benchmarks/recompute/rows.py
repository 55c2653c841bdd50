"""A SQLite ledger comes in; the cases of one task go out, read with sqlite3 and counted by hand.

Nothing of `service` is imported: this is the report's second opinion.
"""

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]
LENGTHS = ((33, "1-32"), (65, "33-64"), (129, "65-128"), (257, "129-256"), (513, "257-512"))
CONFIDENCES = ((0.5, "below 0.5"), (0.7, "0.5-0.7"), (0.8, "0.7-0.8"), (0.9, "0.8-0.9"))


def read(connection: sqlite3.Connection, report: Row, task: str) -> tuple[list[Row], Counter[Any]]:
    """Each ticket's latest decision as a case, oldest first, and all outcomes by reason.

    Without a ticket id a label is the request's: its decisions are one ticket then.
    """
    connection.row_factory = sqlite3.Row
    told: dict[str, dict[str, sqlite3.Row]] = defaultdict(dict)
    for row in connection.execute("select * from predictions"):
        told[row["decision_id"]][row["task"]] = row
    finals = _finals(connection)
    cases: dict[Any, Row] = {}
    outcomes: Counter[Any] = Counter()
    joined = connection.execute(
        "select c.*, d.request_id, d.ticket_id, d.at as decided, d.tokens, d.language, d.metadata,"
        " d.bundle_digest from comparisons c join decisions d on d.id = c.decision_id"
        " where c.legacy = ? and c.task = ? order by d.at, d.id",
        (report["legacy"], task),
    )
    for row in joined:
        models = (row["bundle_digest"], row["identity"])
        seated = row["role"] == "incumbent"
        if (models if seated else models[::-1]) != (report["challenger"], report["incumbent"]):
            continue
        outcomes[row["outcome"], row["reason"]] += 1
        case = {**dict(row), "seated": seated, "told": told[row["decision_id"]]}
        by_ticket, by_request = (
            finals["ticket", row["ticket_id"]],
            finals["request", row["request_id"]],
        )
        case["finals"] = {
            name: _counting(by_request.get(name, ()), by_ticket.get(name, ()))
            for name in {**by_ticket, **by_request}
        }
        both = _unreviewed([*by_ticket.get(task, ()), *by_request.get(task, ())])
        case["arrived"] = min((one["received_at"] for one in both), default=None)
        case["final"] = case["finals"][task]["label"] if both else None
        case["source"] = case["finals"][task]["source"] if both else None
        own = case["told"][task]
        sides = [(row["label"], row["confidence"]), (own["label"], own["confidence"])]
        case["i"], case["c"] = sides if seated else sides[::-1]
        shared = ("request", row["request_id"]) if both else ("decision", row["decision_id"])
        cases[row["ticket_id"] or shared] = case
    found = sorted(cases.values(), key=lambda case: (case["decided"], case["decision_id"]))
    return found, outcomes


def _finals(connection: sqlite3.Connection) -> dict[Any, dict[str, list[sqlite3.Row]]]:
    found: dict[Any, dict[str, list[sqlite3.Row]]] = defaultdict(lambda: defaultdict(list))
    for row in connection.execute("select * from feedback order by number"):
        key = ("ticket", row["ticket_id"]) if row["ticket_id"] else ("request", row["request_id"])
        found[key][row["task"]].append(row)
    return found


def _unreviewed(history: Sequence[sqlite3.Row]) -> Sequence[sqlite3.Row]:
    """The desk's own labels; those of the review where there are no others."""
    return [row for row in history if row["source"] != "review"] or history


def _counting(of_request: Sequence[sqlite3.Row], of_ticket: Sequence[sqlite3.Row]) -> sqlite3.Row:
    own = _unreviewed([*of_ticket, *of_request])
    history = [row for row in own if row["request_id"]] or own
    when = [
        row["received_at"] if row["labelled_at"] is None else row["labelled_at"] for row in history
    ]
    return max(zip(when, range(len(history)), history, strict=True))[2]


def value_of(case: Row, dimension: str, final: bool) -> str | None:
    if dimension in case["told"]:
        from_ = case["finals"] if final else case["told"]
        return from_[dimension]["label"] if dimension in from_ else None
    if dimension == "language":
        return case["language"]
    if dimension == "length":
        return next((name for top, name in LENGTHS if case["tokens"] < top), "513 or more")
    if dimension == "confidence":
        sure = case["told"][case["task"]]["confidence"]
        wide = "0.9-0.95" if sure < 0.95 else "0.95 or more"
        return next((name for top, name in CONFIDENCES if sure < top), wide)
    return json.loads(case["metadata"]).get(dimension)


def columns(cases: Sequence[Row], final: bool) -> dict[str, list[str | None]]:
    names = {name for case in cases for name in (*case["told"], *json.loads(case["metadata"]))}
    names |= {"language", "length", "confidence"}
    found = {name: [value_of(case, name, final) for case in cases] for name in names}
    return {name: column for name, column in found.items() if len(set(column)) > 1}
