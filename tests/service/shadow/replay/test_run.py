"""A desk's past decisions, replayed: every row is compared, failed or named, and none twice."""

import io
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from service.contract.bundle import bundle_digest
from service.contract.ticket import render as render_text
from service.contract.tokens import Tokenizer, pad
from service.engine.session import Session
from service.ledger.records import Case
from service.ledger.scope import Scope
from service.ledger.store import Store
from service.settings import Settings
from service.shadow.plan import Plan
from service.shadow.replay import Replay, Summary, render, replay
from service.shadow.replay.desk import decision_id
from tests.service.shadow.replay.past import past_rules, text, write
from tests.tiny_bundle import DEFAULT_TASKS, GRAPH, TOKEN_LIMIT

LABELS = {task.name: task.labels for task in DEFAULT_TASKS}


def _cases(settings: Settings, **scope: Any) -> list[Case]:
    with Store(settings.ledger) as store:
        return list(store.cases(Scope("rules", **scope)))


def _told(bundle: Path, number: int) -> Mapping[str, str]:
    """What the graph itself says, past everything that the service is made of."""
    definition = (bundle / "tokenizer.json").read_text(encoding="utf-8")
    tokenizer = Tokenizer(definition, TOKEN_LIMIT)
    session = Session.open(bundle / GRAPH, DEFAULT_TASKS, "cpu", threads=1)
    tokens = tokenizer.encode(render_text("Subject", text(number)))
    answer = session.run(*pad([tokens], tokenizer.pad_id)).probabilities
    return {name: LABELS[name][int(rows[0].argmax())] for name, rows in answer.items()}


def test_every_ticket_is_decided_compared_and_kept(
    settings: Settings, tickets: Path, tmp_path: Path
) -> None:
    rules = past_rules(tmp_path, ((str(n), LABELS["category"][n % 3]) for n in range(300)))
    summary = replay(settings, Replay(tickets, rules))
    cases = {case.ticket_id: case for case in _cases(settings)}
    account = summary.tasks["category"].account
    assert (summary.tickets, summary.added, account.compared) == (300, 300, 300)
    assert len(cases) == 300
    for number in (0, 7, 299):
        case = cases[str(number)]
        assert case.labels == _told(settings.bundle, number)
        assert case.legacy_label == LABELS["category"][number % 3]
        assert case.primary == bundle_digest(settings.bundle)
    differing = sum(case.primary_label != case.legacy_label for case in cases.values())
    assert account.disagreed == differing
    assert summary.tasks["category"].rate == differing / 300


def test_a_second_run_adds_nothing(settings: Settings, tickets: Path, tmp_path: Path) -> None:
    rules = past_rules(tmp_path, ((str(n), "billing") for n in range(300)))
    first = replay(settings, Replay(tickets, rules))
    before = _cases(settings)
    second = replay(settings, Replay(tickets, rules))
    assert (first.added, second.added) == (300, 0)
    assert _cases(settings) == before


def test_what_the_rules_leave_open_or_say_in_unknown_words_is_counted_by_reason(
    settings: Settings, tickets: Path, tmp_path: Path
) -> None:
    rows = [
        ("0", "billing", "0.5", "payments"),
        ("1", "Rechnung", "", ""),
        ("2", "Zahlung", "", "platform"),
        ("3", "billing", "1.5", "platform"),
        ("4", "billing", "sure", "platform"),
        ("5", "", "0.5", "platform"),
        ("unknown", "billing", "", ""),
    ]
    columns = ("ticket_id", "category", "category_confidence", "queue")
    words = tmp_path / "words.yaml"
    words.write_text("category: {Rechnung: billing}\n", encoding="utf-8")
    job = Replay(tickets, past_rules(tmp_path, rows, columns), translation=words)
    summary = replay(settings, job)
    category, queue = (summary.tasks[name].account for name in ("category", "queue"))
    assert category.failed == {"missing": 295, "untranslatable": 1, "malformed": 2}
    assert (category.offered, category.compared, category.pending) == (300, 2, 0)
    assert queue.failed == {"missing": 295}
    assert (summary.decisions, summary.unused) == (7, 1)
    by_ticket = {case.ticket_id: case for case in _cases(settings, task="category")}
    assert by_ticket["0"].legacy_confidence == 0.5
    assert by_ticket["1"].legacy_label == "billing"
    reasons = Counter(case.reason for case in by_ticket.values())
    assert reasons == {**category.failed, None: 2}


def test_columns_named_like_tasks_are_final_labels_unless_told_otherwise(
    settings: Settings, tmp_path: Path
) -> None:
    rows = [
        ("a", text(1), "billing", "2026-01-02T03:04:05Z"),
        ("b", text(2), "", "2026-01-02"),
        ("c", text(3), "shipping", ""),
    ]
    columns = ("ticket_id", "body", "category", "created_at")
    tickets = write(tmp_path / "tickets.csv", columns, rows)
    rules = past_rules(tmp_path, [(name, "billing") for name in "abc"])
    without = replay(settings, Replay(tickets, rules, labels=False))
    summary = replay(settings, Replay(tickets, rules))
    again = replay(settings, Replay(tickets, rules))
    assert without.feedback == {}
    assert summary.feedback == {"stored": 2}
    assert again.feedback == {"duplicate": 2}
    assert summary.tasks["category"].unknown == 1
    cases = {case.ticket_id: case for case in _cases(settings)}
    finals = {name: case.final_label for name, case in cases.items()}
    assert finals == {"a": "billing", "b": None, "c": "shipping"}
    assert (cases["a"].at, cases["b"].at) == (1767323045.0, 1767312000.0)


def test_the_plan_is_on_record_once(settings: Settings, tickets: Path, tmp_path: Path) -> None:
    rules = past_rules(tmp_path, [("0", "billing")])
    for _ in range(2):
        replay(settings, Replay(tickets, rules))
    with Store(settings.ledger) as store:
        (registration,) = store.registrations("rules")
    plan = Plan.model_validate_json(registration.plan)
    assert (plan.legacy, plan.role, list(plan.tasks)) == ("rules", "incumbent", ["category"])
    assert registration.challenger == bundle_digest(settings.bundle)


def test_fields_of_metadata_are_kept_where_the_settings_name_them(
    settings: Settings, tmp_path: Path
) -> None:
    columns = ("id", "body", "region", "language")
    tickets = write(tmp_path / "t.csv", columns, [("1", text(1), " EMEA ", "de-AT")])
    named = settings.model_copy(update={"ledger_metadata": "region, language"})
    replay(named, Replay(tickets, past_rules(tmp_path, [("1", "billing")])))
    (case,) = _cases(settings)
    assert (case.metadata, case.language) == ({"region": "EMEA", "language": "de-AT"}, "de")


def test_the_summary_is_printed_with_every_count(
    settings: Settings, tickets: Path, tmp_path: Path
) -> None:
    columns = ("ticket_id", "category", "note")
    rules = past_rules(tmp_path, [("0", "billing", ""), ("", "billing", "")], columns)
    console = Console(file=io.StringIO(), width=120)
    render(replay(settings, Replay(tickets, rules)), console)
    render(Summary({}), console)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    for part in ("299 missing", "rules.csv row 2", "note", "1 rules.csv", "300"):
        assert part in shown


def test_an_id_is_that_of_the_bundle_and_the_ticket() -> None:
    ids = {decision_id(bundle, ticket) for bundle in ("a", "b") for ticket in ("1", "2", "é")}
    assert len(ids) == 6
