"""Which decisions the live check counts, and with which label, on either database."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from service.ledger.database import transaction
from service.ledger.labelled import Labelled, Recent, Said, labelled
from service.ledger.records import FinalLabel, Told
from service.ledger.store import Store
from tests.service.ledger.made import PRIMARY, TASKS, decision


def _read(store: Store, limit: int = 100, task: str = "queue") -> Recent:
    return store.labelled(PRIMARY, TASKS, limit)[task]


def _finals(store: Store, limit: int = 100) -> list[tuple[float, str]]:
    return [(one.at, one.final) for one in _read(store, limit).labelled]


def _label(store: Store, label: str, **owner: Any) -> None:
    store.add_feedback([FinalLabel("queue", label, **owner)], 50.0)


def test_a_labelled_decision_comes_with_what_was_said_and_the_label(store: Store) -> None:
    said = (Told("queue", "a", 0.9, "suggest"), Told("category", "b", 0.5, "human"))
    store.write([decision(1, predictions=said), decision(2, predictions=said)])
    _label(store, "x", ticket_id="t1")
    found = store.labelled(PRIMARY, ("queue", "category"), 10)
    told = tuple(Said("a", 0.9, "suggest", at) for at in (1.0, 2.0))
    one = Labelled("a", 0.9, "suggest", 1.0, "x")
    assert found["queue"] == Recent((one,), told, share=1.0)
    told = tuple(Said("b", 0.5, "human", at) for at in (1.0, 2.0))
    assert found["category"] == Recent((), told)
    assert not one.right


def test_a_label_of_the_review_queue_does_not_count(store: Store) -> None:
    store.write([decision(1), decision(2)])
    _label(store, "asked", ticket_id="t1", source="review")
    _label(store, "asked", ticket_id="t2", source="review")
    _label(store, "own", ticket_id="t2", labelled_at=1.0)
    assert _finals(store) == [(2.0, "own")]


def test_the_later_label_counts_and_one_by_request_beats_one_by_ticket(store: Store) -> None:
    store.write([decision(1), decision(2)])
    _label(store, "early", ticket_id="t1", labelled_at=1.0)
    _label(store, "late", ticket_id="t1", labelled_at=2.0)
    _label(store, "by request", request_id="r2", labelled_at=1.0)
    _label(store, "by ticket", ticket_id="t2", labelled_at=9.0)
    _label(store, "asked", request_id="r1", source="review")
    assert _finals(store) == [(1.0, "late"), (2.0, "by request")]


def test_of_a_ticket_the_latest_labelled_decision_counts(store: Store) -> None:
    store.write([decision(n, ticket_id="same") for n in (1, 3, 2)])
    store.write([decision(n, ticket_id=None) for n in (4, 5)])
    _label(store, "x", ticket_id="same")
    _label(store, "y", request_id="r4")
    _label(store, "y", request_id="r5")
    assert _finals(store) == [(3.0, "x"), (4.0, "y"), (5.0, "y")]


def test_another_bundle_s_decisions_do_not_count(store: Store) -> None:
    store.write([decision(1), decision(2, ticket_id="t1", bundle_digest="another")])
    _label(store, "x", ticket_id="t1")
    assert _finals(store) == [(1.0, "x")]
    assert len(_read(store).told) == 1
    assert store.labelled("none", TASKS, 10)["queue"] == Recent()


def test_a_window_keeps_the_newest_across_pages(store: Store) -> None:
    count = 2_500
    store.write([decision(n, at=float(n // 3), ticket_id=f"t{n // 2}") for n in range(count)])
    labels = [FinalLabel("queue", str(n), ticket_id=f"t{n}") for n in range(count // 2)]
    store.add_feedback(labels, 50.0)
    assert [final for _, final in _finals(store, count)] == [str(n) for n in range(count // 2)]
    newest = _read(store, limit=1_100)
    assert [one.final for one in newest.labelled] == [str(n) for n in range(150, count // 2)]
    assert (len(newest.told), newest.share, newest.cut) == (1_100, 1.0, False)
    told = (Said("urgency-a", 0.75, "auto", float((count - 1) // 3)),)
    assert _read(store, limit=1, task="urgency") == Recent((), told)


def _within(store: Store, limit: int, reach: int) -> dict[str, Recent]:
    with transaction(store._engine, "read") as connection:
        return labelled(connection, PRIMARY, TASKS, limit, reach)


def test_labels_are_found_behind_any_number_of_younger_decisions(store: Store) -> None:
    store.write([decision(n) for n in range(50)])
    store.write([decision(n, bundle_digest="another") for n in range(50, 60)])
    _label(store, "x", ticket_id="t1")
    _label(store, "x", request_id="r3")
    found = _within(store, limit=10, reach=20)["queue"]
    assert [one.at for one in found.labelled] == [1.0, 3.0]
    assert (len(found.told), found.share, found.cut) == (10, 2 / 3, False)


def test_a_search_that_ends_at_its_bound_says_so(store: Store) -> None:
    store.write([decision(n) for n in range(6)])
    for number in range(6):
        _label(store, "x", ticket_id=f"t{number}")
    for limit, reach, found, cut in [(6, 6, 6, False), (6, 5, 5, True), (2, 4, 2, False)]:
        recent = _within(store, limit, reach)
        assert (len(recent["queue"].labelled), recent["queue"].cut) == (found, cut)
        # Nobody labels the urgency, and nobody knows that before every label was looked at.
        assert recent["urgency"].cut == (reach < 6)


@pytest.mark.slow
def test_many_decisions_of_one_ticket_end_the_search_too(store: Store) -> None:
    store.write([decision(0), *(decision(n, ticket_id="same") for n in range(1, 10_001))])
    _label(store, "x", ticket_id="same")
    found = _read(store)
    assert ([one.at for one in found.labelled], found.cut) == ([10_000.0], True)


def test_replayed_decisions_do_not_count(store: Store) -> None:
    store.write([decision(1), decision(2, id="replay-2"), decision(3, id="replay-3")])
    for ticket in ("t1", "t2"):
        _label(store, "x", ticket_id=ticket)
    _label(store, "x", request_id="r3")
    found = _read(store)
    assert [one.at for one in found.labelled] == [1.0]
    assert (len(found.told), found.share) == (1, 1.0)


def test_an_index_answers_every_question(tmp_path: Path) -> None:
    asked: list[tuple[str, Any]] = []
    with Store(f"sqlite:///{tmp_path}/ledger.db") as store:
        store.write([decision(n) for n in range(20)])
        _label(store, "x", ticket_id="t1")
        _label(store, "x", request_id="r2")

        def note(_: Any, __: Any, statement: str, values: Any, *___: Any) -> None:
            asked.append((statement, values))

        event.listen(store._engine, "before_cursor_execute", note)
        _read(store)
        store.newest_label()
    connection = sqlite3.connect(tmp_path / "ledger.db")
    questions = [(text, values) for text, values in asked if text.startswith("SELECT")]
    for text, values in questions:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {text}", values)
        steps = [step for *_, step in plan if step.startswith("SCAN")]
        made_up = ("SCAN anon_", "SCAN some", "SCAN every")
        assert [one for one in steps if "INDEX" not in one and not one.startswith(made_up)] == []
    connection.close()
    assert len(questions) > 8


def test_the_newest_label_grows_with_every_label_that_is_kept(store: Store) -> None:
    seen = [store.newest_label()]
    for label in ("a", "a", "b"):
        _label(store, label, ticket_id="t1")
        seen.append(store.newest_label())
    assert seen[0] == 0
    assert seen[0] < seen[1] == seen[2] < seen[3]
