"""A ledger and the JSON of its report come in; where they differ by more than 1e-12 goes out."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks.recompute import plain
from tests.benchmarks.recompute.counts import rate
from tests.benchmarks.recompute.figures import chapter
from tests.benchmarks.recompute.rows import Row, read
from tests.benchmarks.recompute.trial import claims

TOLERANCE = 1e-12
KEYED = {"segments", "worse"}


@dataclass
class Result:
    """differences: what is not equal. figures: numbers compared. largest: over max(1, |x|)."""

    differences: list[str] = field(default_factory=list)
    figures: int = 0
    largest: float = 0.0

    def equal(self, where: str, said: Any, found: Any) -> None:
        """Compares two JSON values all the way down."""
        if isinstance(found, dict):
            for key in found:
                self.equal(f"{where}.{key}", said[key], found[key])
        elif isinstance(found, (list, tuple)):
            if len(said) != len(found):
                self.differences.append(f"{where}: {len(said)} entries, found {len(found)}")
            for at, (one, other) in enumerate(zip(said, found, strict=False)):
                self.equal(f"{where}[{at}]", one, other)
        elif isinstance(found, float) and said is not None:
            self.figures += 1
            apart = abs(said - found) / max(1.0, abs(found))
            self.largest = max(self.largest, apart)
            if not apart <= TOLERANCE:
                self.differences.append(f"{where}: {said!r}, found {found!r}")
        else:
            self.figures += isinstance(found, int)
            if said != found:
                self.differences.append(f"{where}: {said!r}, found {found!r}")


def recompute(ledger: Path, report: Row) -> Result:
    """Every figure of the report, from the ledger's rows."""
    result = Result()
    connection = sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)
    try:
        plan, since, revisions = plan_in_force(connection, report)
        result.equal("plan.revisions", report["plan"]["revisions"], revisions)
        frame = {"alpha": plan["alpha"], "tasks": len(plan["tasks"]), "counted_since": since}
        for said in report["tasks"]:
            cases, outcomes = read(connection, report, said["task"])
            test = {"criterion": "superiority", "margin": 0.0, "horizon": None, "guards": []}
            test |= plan["tasks"][said["task"]]
            found = chapter(cases, outcomes, test, frame)
            compare_task(result, said, found)
            judged(result, said, found, frame)
            noise(result, connection, said, cases)
        result.equal("feedback", report["feedback"], feedback(connection))
        met = times(connection, report)
        result.equal("times", {name: report[name] for name in met}, met)
        verdicts = [said["judgement"]["verdict"] for said in report["tasks"]]
        result.equal("overall", report["overall"]["verdict"], overall(verdicts))
    finally:
        connection.close()
    return result


def feedback(connection: sqlite3.Connection) -> Row:
    """The final labels of the whole ledger: with history, distinct, corrected, of no decision."""
    labels: dict[tuple[Any, ...], set[str]] = {}
    rows = connection.execute("select ticket_id, request_id, task, label from feedback").fetchall()
    for ticket, request, task, label in rows:
        labels.setdefault((ticket, request, task), set()).add(label)
    decided = connection.execute("select ticket_id, request_id from decisions").fetchall()
    tickets, requests = ({row[place] for row in decided} for place in (0, 1))
    lost = {
        (ticket, request)
        for ticket, request, *_ in rows
        if (ticket not in tickets if ticket is not None else request not in requests)
    }
    return {
        "received": len(rows),
        "labelled": len(labels),
        "corrected": sum(len(given) > 1 for given in labels.values()),
        "unmatched": len(lost),
    }


def times(connection: sqlite3.Connection, report: Row) -> Row:
    """When the pair's first and last decisions were made."""
    found = connection.execute(
        "select d.at, d.bundle_digest, c.identity, c.role from comparisons c"
        " join decisions d on d.id = c.decision_id where c.legacy = ?",
        (report["legacy"],),
    )
    pair = (report["challenger"], report["incumbent"])
    moments = [
        at
        for at, primary, identity, role in found
        if ((primary, identity) if role == "incumbent" else (identity, primary)) == pair
    ]
    return {"since": min(moments, default=None), "until": max(moments, default=None)}


def plan_in_force(connection: sqlite3.Connection, report: Row) -> tuple[Row, float, int]:
    """The newest plan, since when it counts (0 for always), how often it was changed."""
    rows = connection.execute(
        "select at, plan from registrations where legacy = ? and challenger = ? and incumbent = ?"
        " order by number",
        (report["legacy"], report["challenger"], report["incumbent"]),
    ).fetchall()
    if not rows:
        return report["plan"]["plan"], 0.0, 0
    tests = [{**json.loads(plan), "role": None} for _, plan in rows]
    changed = [
        at for (at, _), one, next_ in zip(rows[1:], tests, tests[1:], strict=False) if one != next_
    ]
    return json.loads(rows[-1][1]), changed[-1] if changed else 0.0, len(changed)


def compare_task(result: Result, said: Row, found: Row) -> None:
    where, plainly = said["task"], dict(found)
    outcomes = {(one["outcome"], one["reason"]): one["count"] for one in said["outcomes"]}
    result.equal(f"{where}.outcomes", outcomes, dict(plainly.pop("outcomes")))
    result.equal(f"{where}.top", [one["decision_id"] for one in said["top"]], plainly.pop("top"))
    for name in KEYED:
        keyed(result, f"{where}.{name}", said[name], plainly.pop(name))
    for one, other in zip(said["checks"], plainly.pop("checks"), strict=True):
        rows = {row["dimension"]: row for row in other.pop("rows")}
        result.equal(f"{where}.{one['name']}", one, other)
        for row in one["rows"]:
            mine = rows[row["dimension"]]
            drawn = mine.pop("by_value")
            result.equal(f"{where}.{one['name']}.{row['dimension']}", row, mine)
            if row["value"] is not None:
                mine = dict(
                    zip(("difference", "share", "others_share"), drawn[row["value"]], strict=True)
                )
                result.equal(f"{where}.{one['name']}.{row['dimension']}", row, mine)
    result.equal(where, said, plainly)


def keyed(result: Result, where: str, said: Sequence[Row], found: Sequence[Row]) -> None:
    """Rows by segment: ties in their order may fall either way."""
    mine = {(one["dimension"], one["value"]): one for one in found}
    result.equal(f"{where} rows", len(said), min(60, len(found)))
    for one in said:
        key = (one["dimension"], one["value"])
        result.equal(f"{where}.{key}", one, mine[key])


def judged(result: Result, said: Row, found: Row, frame: Row) -> None:
    """The verdict and the labels still needed."""
    test = found["test"]
    counts = tuple(test["counts"][one] for one in ("both", "challenger", "incumbent", "neither"))
    stated = claims(test["criterion"], test["margin"], frame["alpha"], frame["tasks"])
    wants = [plain.labels_needed(counts, margin, alpha, side) for side, margin, alpha in stated]
    good, bad, *third = test["sides"]
    shown = good["proven"] and all(one["proven"] for one in third)
    ahead = None if None in (wants[0], *wants[2:]) else max(wants[0], *wants[2:], 0)
    few = [max(0, one["guard"]["min_labels"] - one["n"]) for one in found["guards"]]
    blocked = any(one["state"] == "violated" for one in found["guards"])
    blocked |= any(one["state"] == "strong" for one in found["checks"])
    blocked |= any(one["proven"] and turned(one, test["gap"]) for one in (good, *third))
    if bad["proven"] and (not good["proven"] or bad["log_wealth"] >= good["log_wealth"]):
        verdict, needed = "roll_back", None
    elif (
        shown
        and not blocked
        and not any(one["state"] == "too_few_labels" for one in found["guards"])
    ):
        verdict, needed = "promote", 0
    else:
        short = max(few, default=0)
        open_ = wants[1] if ahead is None else max(ahead, short)
        verdict, needed = "keep", None if blocked else (short or None) if shown else open_
    result.equal(f"{said['task']}.verdict", said["judgement"]["verdict"], verdict)
    result.equal(f"{said['task']}.labels_needed", said["judgement"]["labels_needed"], needed)


def turned(side: Row, gap: float) -> bool:
    """Whether the gap is no longer where it was shown to be."""
    return gap <= side["bound"] if side["claim"] == "gap_above" else gap >= side["bound"]


def noise(result: Result, connection: sqlite3.Connection, said: Row, cases: Sequence[Row]) -> None:
    mine = {case["decision_id"]: case["label"] for case in cases if case["outcome"] == "compared"}
    for one in said["noise"]:
        newest = connection.execute(
            "select c.role, d.bundle_digest, c.identity from comparisons c"
            " join decisions d on d.id = c.decision_id where c.legacy = ?"
            " order by d.at desc limit 1",
            (one["other"],),
        ).fetchone()
        models = newest[1:] if newest[0] == "incumbent" else newest[:0:-1]
        pair = {"legacy": one["other"], "challenger": models[0], "incumbent": models[1]}
        theirs, _ = read(connection, pair, said["task"])
        apart = [
            case["label"] != mine[case["decision_id"]]
            for case in theirs
            if case["outcome"] == "compared" and case["decision_id"] in mine
        ]
        result.equal(f"{said['task']}.noise.{one['other']}", one, rate(sum(apart), len(apart)))


def overall(verdicts: Sequence[str]) -> str:
    if "roll_back" in verdicts:
        return "roll_back"
    return "promote" if verdicts and set(verdicts) == {"promote"} else "keep"
