"""A SQLite ledger comes in; the cases of one task go out, read with sqlite3 and counted by hand.

Nothing of `service` is imported: this is the report's second opinion.
"""

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

Row = dict[str, Any]
LENGTHS = ((33, "1-32"), (65, "33-64"), (129, "65-128"), (257, "129-256"), (513, "257-512"))
CONFIDENCES = ((0.5, "below 0.5"), (0.7, "0.5-0.7"), (0.8, "0.7-0.8"), (0.9, "0.8-0.9"))


class Pair(NamedTuple):
    """Two models that met under a legacy's name."""

    legacy: str
    challenger: str
    incumbent: str


class Read(NamedTuple):
    """Cases oldest first: the newest ones, and all of which an agent gave the final label."""

    newest: list[Row]
    truncated: bool
    labelled: list[Row]
    outcomes: Counter[Any]


def read(connection: sqlite3.Connection, pair: Pair, task: str, limit: int) -> Read:
    """Each ticket's latest decision as a case, and all outcomes by reason. limit: of the newest."""
    told: dict[str, dict[str, Row]] = defaultdict(dict)
    for row in connection.execute("select * from predictions"):
        told[row["decision_id"]][row["task"]] = _most_probable(row)
    finals = _finals(connection)
    latest: dict[Any, Row] = {}
    outcomes: Counter[Any] = Counter()
    for row in _comparisons(connection, pair, task):
        outcomes[row["outcome"], row["reason"]] += 1
        case = _case(row, told[row["decision_id"]], finals)
        latest[row["ticket_id"] or ("decision", row["decision_id"])] = case
    cases = sorted(latest.values(), key=lambda case: (case["decided"], case["decision_id"]))
    every = [case for case in _once(cases) if case["outcome"] == "compared"]
    return Read(
        newest=_once(cases[-limit:]),
        truncated=len(cases) >= limit,
        labelled=[case for case in every if case["final"] is not None],
        outcomes=outcomes,
    )


def _most_probable(row: sqlite3.Row) -> Row:
    """Models are compared by it, whatever label costs have chosen."""
    if row["likeliest"] is None:
        return {"label": row["label"], "confidence": row["confidence"]}
    return {"label": row["likeliest"], "confidence": row["likeliest_confidence"]}


def _comparisons(connection: sqlite3.Connection, pair: Pair, task: str) -> Iterable[sqlite3.Row]:
    """Oldest decision first, whichever of the two models sat where."""
    joined = connection.execute(
        "select c.*, d.request_id, d.ticket_id, d.at as decided, d.tokens, d.language, d.metadata,"
        " d.bundle_digest from comparisons c join decisions d on d.id = c.decision_id"
        " where c.legacy = ? and c.task = ? order by d.at, d.id",
        (pair.legacy, task),
    )
    for row in joined:
        models = (row["bundle_digest"], row["identity"])
        if (models if row["role"] == "incumbent" else models[::-1]) == pair[1:]:
            yield row


def _case(row: sqlite3.Row, told: dict[str, Row], finals: dict[Any, Any]) -> Row:
    task, seated = row["task"], row["role"] == "incumbent"
    by_ticket = finals["ticket", row["ticket_id"]]
    by_request = finals["request", row["request_id"]]
    counting = {
        name: _counting(by_request.get(name, ()), by_ticket.get(name, ()))
        for name in {**by_ticket, **by_request}
    }
    both = _unreviewed([*by_ticket.get(task, ()), *by_request.get(task, ())])
    own = told[task]
    sides = [(row["label"], row["confidence"]), (own["label"], own["confidence"])]
    incumbent, challenger = sides if seated else sides[::-1]
    return {
        **dict(row),
        "told": told,
        "finals": counting,
        "arrived": min((one["received_at"] for one in both), default=None),
        "final": counting[task]["label"] if both else None,
        "source": counting[task]["source"] if both else None,
        "i": incumbent,
        "c": challenger,
    }


def _once(cases: Sequence[Row]) -> list[Row]:
    """Without a ticket id a label is the request's: its decisions are one ticket then."""
    found: dict[Any, Row] = {}
    for case in cases:
        nameless = case["ticket_id"] is None and case["final"] is not None
        found[("request", case["request_id"]) if nameless else case["decision_id"]] = case
    return sorted(found.values(), key=lambda case: (case["decided"], case["decision_id"]))


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
