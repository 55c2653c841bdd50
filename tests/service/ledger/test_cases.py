"""Decisions, comparisons and final labels come together in cases."""

import sqlite3
from pathlib import Path

import pytest

from service.ledger.records import Decision, FinalLabel, Told
from service.ledger.scope import Pair, Scope, Total
from service.ledger.store import Store
from tests.benchmarks.recompute.rows import Pair as Both
from tests.benchmarks.recompute.rows import read, value_of
from tests.service.ledger.made import LEGACY, PRIMARY, comparison, decision


def _ids(store: Store, scope: Scope) -> list[str]:
    return [case.decision_id for case in store.cases(scope)]


def test_a_case_holds_all_that_is_known_of_a_ticket(store: Store) -> None:
    store.write([decision(1, language="de", metadata={"team": "x"}), comparison(1, label="b")])
    store.add_feedback([FinalLabel("category", "c", ticket_id="t1", source="review")], 50.0)
    store.add_feedback([FinalLabel("queue", "q", request_id="r1")], 60.0)
    (case,) = store.cases(Scope("old"))
    assert (case.primary, case.identity, case.role) == (PRIMARY, LEGACY, "incumbent")
    assert (case.challenger_label, case.incumbent_label) == ("category-a", "b")
    assert (case.primary_confidence, case.legacy_confidence) == (0.75, 0.5)
    assert (case.language, case.metadata, case.tokens) == ("de", {"team": "x"}, 12)
    assert set(case.labels) == {"category", "queue", "urgency"}
    assert case.finals == {"category": "c", "queue": "q"}
    assert (case.final_label, case.labelled_at, case.source) == ("c", 50.0, "review")


def test_the_latest_decision_of_a_ticket_counts(store: Store) -> None:
    for number in (1, 3, 2):
        store.write([decision(number, ticket_id="same"), comparison(number)])
    store.write([decision(4), comparison(4)])
    assert _ids(store, Scope("old")) == ["d000004", "d000003"]


def test_decisions_without_a_ticket_id_count_each(store: Store) -> None:
    for number in (1, 2):
        store.write([decision(number, ticket_id=None), comparison(number)])
    assert _ids(store, Scope("old")) == ["d000002", "d000001"]


def test_a_label_by_request_beats_one_by_ticket(store: Store) -> None:
    store.write([decision(1), comparison(1)])
    store.add_feedback([FinalLabel("category", "request", request_id="r1")], 50.0)
    store.add_feedback([FinalLabel("category", "ticket", ticket_id="t1")], 60.0)
    (case,) = store.cases(Scope("old"))
    assert (case.final_label, case.labelled_at) == ("request", 50.0)


def test_a_limit_keeps_the_newest_across_pages(store: Store) -> None:
    count = 2_500
    store.write([decision(n, at=float(n // 7)) for n in range(count)])
    store.write([comparison(n) for n in range(count)])
    wanted = [f"d{n:06}" for n in range(count - 1, -1, -1)]
    assert _ids(store, Scope("old")) == wanted
    assert _ids(store, Scope("old", limit=1_234)) == wanted[:1_234]
    assert _ids(store, Scope("old", limit=0)) == []


def test_labelled_cases_are_found_behind_any_number_of_others(store: Store) -> None:
    store.write([decision(n, ticket_id=None if n % 2 else f"t{n}") for n in range(2_500)])
    store.write([comparison(n) for n in range(2_500)])
    store.add_feedback([FinalLabel("category", "a", ticket_id="t4")], 9_000.0)
    store.add_feedback([FinalLabel("category", "a", request_id="r7")], 9_000.0)
    store.add_feedback([FinalLabel("queue", "q", ticket_id="t8")], 9_000.0)
    newest = Scope("old", task="category", limit=10)
    assert not [case for case in store.cases(newest) if case.final_label is not None]
    every = Scope("old", task="category", limit=None, labelled_only=True)
    assert _ids(store, every) == ["d000007", "d000004"]
    assert [case.final_label for case in store.cases(every)] == ["a", "a"]
    assert _ids(store, Scope("old", labelled_only=True)) == ["d000008", "d000007", "d000004"]
    assert len(_ids(store, Scope("old", limit=None))) == 2_500


def test_a_labelled_decision_of_a_ticket_that_came_again_does_not_count(store: Store) -> None:
    store.write([decision(1, ticket_id="same"), comparison(1)])
    store.write([decision(2, ticket_id="same"), comparison(2)])
    store.write([decision(3, ticket_id="same"), comparison(3, legacy="other")])
    store.add_feedback([FinalLabel("category", "a", request_id="r1")], 50.0)
    labelled = Scope("old", task="category", limit=None, labelled_only=True)
    assert _ids(store, labelled) == []
    assert [case.final_label for case in store.cases(Scope("old"))] == [None]
    store.add_feedback([FinalLabel("category", "b", ticket_id="same")], 60.0)
    assert _ids(store, labelled) == ["d000002"]


def test_a_scope_bounds_time_and_task(store: Store) -> None:
    for number in range(5):
        store.write([decision(number), comparison(number), comparison(number, task="queue")])
    store.write([decision(7), comparison(7, legacy="new")])
    scope = Scope("old", task="queue", since=1.0, until=3.0)
    assert [(case.decision_id, case.task) for case in store.cases(scope)] == [
        ("d000002", "queue"),
        ("d000001", "queue"),
    ]


def test_both_orientations_of_a_pair_are_one_scope(store: Store) -> None:
    turned = {"identity": PRIMARY, "role": "challenger"}
    store.write([decision(1), comparison(1)])
    store.write([decision(2, bundle_digest=LEGACY), comparison(2, **turned)])
    store.write([decision(3, bundle_digest="another"), comparison(3)])
    assert _ids(store, Scope("old", PRIMARY, LEGACY)) == ["d000002", "d000001"]
    assert _ids(store, Scope("old", challenger="another")) == ["d000003"]
    assert store.pairs() == [
        Pair("old", "incumbent", "another", LEGACY, 1, 1, 3.0, 3.0),
        Pair("old", "challenger", PRIMARY, LEGACY, 1, 1, 2.0, 2.0),
        Pair("old", "incumbent", PRIMARY, LEGACY, 1, 1, 1.0, 1.0),
    ]


def test_totals_count_every_outcome_by_reason(store: Store) -> None:
    late = {"outcome": "dropped", "reason": "too_old", "label": None}
    store.write([decision(n, ticket_id="same") for n in range(4)])
    store.write([comparison(0), comparison(1), comparison(2, **late), comparison(3, **late)])
    store.write([comparison(99)])
    assert store.totals(Scope("old", PRIMARY, LEGACY)) == [
        Total("category", "compared", None, 2),
        Total("category", "dropped", "too_old", 2),
    ]


def test_recent_flags_are_of_one_pair_and_oldest_first(store: Store) -> None:
    flags = [True, False, False, True, True]
    for number, differs in enumerate(flags):
        label = "other" if differs else "category-a"
        store.write([decision(number), comparison(number, label=label)])
    store.write([decision(8), comparison(8, outcome="failed", reason="timeout", label=None)])
    store.write([decision(9, bundle_digest="another"), comparison(9, label="other")])
    assert store.recent("old", PRIMARY, LEGACY, "category", 100) == flags
    assert store.recent("old", PRIMARY, LEGACY, "category", 2) == flags[-2:]
    assert store.recent("old", "another", LEGACY, "category", 9) == [True]


def chosen_by_cost(number: int, likeliest: str) -> Decision:
    """A decision of which the category was chosen by cost: `dear`, with a probability of 0.2."""
    others = tuple(Told(task, "x", 0.75, "auto") for task in ("queue", "urgency"))
    told = Told("category", "dear", 0.2, "auto", (likeliest, 0.7))
    return decision(number, predictions=(told, *others))


def test_models_are_compared_by_their_most_probable_label_whatever_costs_have_chosen(
    store: Store,
) -> None:
    for number, likeliest in enumerate(("category-a", "b", "dear")):
        store.write([chosen_by_cost(number, likeliest), comparison(number)])
    cases = list(store.cases(Scope("old")))[::-1]
    assert [(case.primary_label, case.primary_confidence) for case in cases] == [
        ("category-a", 0.7),
        ("b", 0.7),
        ("dear", 0.7),
    ]
    assert [case.labels["category"] for case in cases] == ["category-a", "b", "dear"]
    differs = [case.primary_label != case.legacy_label for case in cases]
    assert differs == store.recent("old", PRIMARY, LEGACY, "category", 10) == [False, True, True]


def test_the_second_computation_compares_the_most_probable_label_too(tmp_path: Path) -> None:
    with Store(f"sqlite:///{tmp_path}/ledger.db") as store:
        store.write([chosen_by_cost(1, "b"), comparison(1), decision(2), comparison(2)])
    connection = sqlite3.connect(tmp_path / "ledger.db")
    connection.row_factory = sqlite3.Row
    found = read(connection, Both("old", PRIMARY, LEGACY), "category", limit=10)
    connection.close()
    assert [case["c"] for case in found.newest] == [("b", 0.7), ("category-a", 0.75)]
    assert value_of(found.newest[0], "category", final=False) == "b"


@pytest.mark.parametrize("wide", [False, True])
def test_a_comparison_without_its_decision_fails_nothing(store: Store, wide: bool) -> None:
    store.write([comparison(1)])
    assert _ids(store, Scope("old") if wide else Scope("old", PRIMARY, LEGACY)) == []
    assert store.pairs() == []
