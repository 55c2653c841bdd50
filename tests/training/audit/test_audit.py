"""The audit of a file, from reading to its document, its table and its exit status."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from tests.training.audit.planted import REFERENCE, amended, labelled, of, rows, written
from tests.training.desk import write_desk
from training.audit import Audit, audit_table, run_audit, write_audit
from training.audit.command import audit
from training.audit.finding import SEVERITIES
from training.audit.splits import EXACT, NEAR
from training.config import parse_config
from training.data.sample import generate
from training.data.table import Row
from training.errors import DataError, UnknownColumn

TICKETS = 300


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    path = written(tmp_path_factory.mktemp("audit") / "desk.csv", rows(TICKETS))
    return run_audit(path, REFERENCE)


def split_file(path: Path, assignment: dict[str, str]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("id", "split"), *assignment.items()])
    return path


def alternating(tickets: list[Row]) -> dict[str, str]:
    return {row.id: "test" if place % 2 else "train" for place, row in enumerate(tickets)}


def test_a_clean_desk_does_not_fail(clean: Audit) -> None:
    assert clean.status == 0
    assert clean.counts()["fail"] == 0
    assert of(clean.findings, NEAR).figure == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_clean_desks_of_any_seed_give_neither_failure_nor_warning(
    seed: int, tmp_path: Path
) -> None:
    found = run_audit(written(tmp_path / "desk.csv", generate(4000, seed)), REFERENCE)
    assert (found.counts()["fail"], found.counts()["warn"]) == (0, 0)


def test_a_streamed_run_is_audited_with_the_split_that_it_has(tmp_path: Path) -> None:
    near = [replace(row, id=f"{row.id}b", body=f"{row.body} thanks") for row in rows(TICKETS)]
    path = written(tmp_path / "desk.csv", [*rows(TICKETS), *near])
    streaming = parse_config({"data": {"stream": True}}, "test")
    grouped, streamed = (
        of(run_audit(path, config).findings, NEAR) for config in (REFERENCE, streaming)
    )
    assert (grouped.severity, streamed.severity) == ("pass", "fail")
    assert "data.stream: false" in streamed.remedy


def test_a_leak_gives_the_exit_status_1(tmp_path: Path) -> None:
    def leak(_: int, row: Row) -> Row:
        return replace(row, source=row.labels.get("category", "mail"))

    path = written(tmp_path / "desk.csv", amended(leak, TICKETS))
    console = Console(width=160, record=True, file=(tmp_path / "shown").open("w"))
    with console.file:
        arguments = {"config": None, "splits": None, "passed": False, "console": console}
        assert audit(data=path, out=tmp_path / "made" / "audit.json", **arguments) == 1
    document = json.loads((tmp_path / "made" / "audit.json").read_text())
    worst = document["findings"][0]
    assert (worst["check"], worst["about"]) == ("label from column", "category from source")
    assert {"check", "severity", "figure", "said", "remedy"} <= worst.keys()
    assert "category from source" in console.export_text()


def test_the_findings_come_worst_first_and_hold_no_ticket(clean: Audit) -> None:
    order = [SEVERITIES.index(one.severity) for one in clean.findings]
    assert order == sorted(order)
    shown = json.dumps(clean.document())
    sentences = {line for row in rows(TICKETS) for line in row.body.split("\n") if len(line) > 20}
    assert len(sentences) > 500
    assert not [line for line in sentences if line in shown]


def test_a_finding_that_passed_is_shown_where_it_is_asked_for(clean: Audit) -> None:
    failed = clean.counts()["fail"] + clean.counts()["warn"]
    assert audit_table(clean).row_count == failed
    assert audit_table(clean, passed=True).row_count == len(clean.findings)


def test_given_splits_with_one_text_on_both_sides_fail(tmp_path: Path) -> None:
    tickets = list(rows(TICKETS))
    copies = [replace(row, id=f"copy-{row.id}") for row in tickets[:40:2]]
    data = written(tmp_path / "desk.csv", [*tickets, *copies])
    assignment = alternating(tickets) | {row.id: "test" for row in copies}
    given = split_file(tmp_path / "splits.csv", assignment)
    found = of(run_audit(data, REFERENCE, given).findings, EXACT)
    assert found.severity == "fail"
    assert found.said.startswith(f"20 of {TICKETS // 2 + 20} tickets")


def test_given_splits_with_near_duplicates_on_both_sides_fail(tmp_path: Path) -> None:
    tickets = list(rows(TICKETS))
    near = [replace(row, id=f"near-{row.id}", body=row.body + " again") for row in tickets[:40:2]]
    data = written(tmp_path / "desk.csv", [*tickets, *near])
    given = split_file(
        tmp_path / "splits.csv", alternating(tickets) | {row.id: "test" for row in near}
    )
    found = run_audit(data, REFERENCE, given)
    assert of(found.findings, NEAR).severity == "fail"
    assert of(found.findings, EXACT).severity == "pass"
    assert of(run_audit(data, REFERENCE).findings, NEAR).severity == "pass"


def test_splits_of_another_file_are_refused(tmp_path: Path) -> None:
    data = write_desk(tmp_path / "desk.csv", urgency=False)
    config = parse_config({"tasks": {"category": {}}}, "test")
    given = split_file(tmp_path / "splits.csv", {"stranger": "train"})
    with pytest.raises(DataError, match="names none of the"):
        run_audit(data, config, given)


def test_a_file_without_a_tasks_column_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UnknownColumn, match="urgency"):
        run_audit(write_desk(tmp_path / "desk.csv", urgency=False), REFERENCE)


def test_an_audit_that_cannot_be_written_says_so(clean: Audit, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        write_audit(clean, tmp_path / "file" / "audit.json")


def test_rare_labels_count_for_nothing(tmp_path: Path) -> None:
    odd = [labelled(row, category="only-once") for row in rows(TICKETS)[:1]]
    data = written(tmp_path / "desk.csv", [*rows(TICKETS)[1:], *odd])
    assert run_audit(data, REFERENCE).status == 0
