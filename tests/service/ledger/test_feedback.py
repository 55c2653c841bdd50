"""Final labels: idempotent, corrected with their history, kept without a decision."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.ledger.records import FinalLabel
from service.ledger.scope import FeedbackCounts, Scope, Unmatched
from service.ledger.store import Store
from tests.service.ledger.made import comparison, decision


def _label(label: str, at: float | None = None, **ids: str) -> FinalLabel:
    return FinalLabel("category", label, labelled_at=at, **(ids or {"ticket_id": "t1"}))


def _final(store: Store) -> str | None:
    (case,) = store.cases(Scope("old"))
    return case.final_label


def test_a_label_turned_back_leaves_three_in_the_history(store: Store) -> None:
    store.write([decision(1), comparison(1)])
    outcomes = [store.add_feedback([_label(name)], now).outcomes for now, name in enumerate("ABA")]
    assert outcomes == [("stored",), ("corrected",), ("corrected",)]
    assert store.feedback_counts() == FeedbackCounts(received=3, labelled=1, corrected=1)
    assert _final(store) == "A"


def test_the_same_batch_again_is_all_duplicates(store: Store) -> None:
    store.write([decision(1)])
    batch = [_label("A", 5.0), _label("B", 6.0), _label("C", request_id="r1")]
    assert store.add_feedback(batch, 10.0).outcomes == ("stored", "corrected", "stored")
    again = store.add_feedback(batch, 20.0)
    assert (again.outcomes, again.kept) == (("duplicate",) * 3, 0)


def test_a_label_decided_earlier_is_kept_and_does_not_count(store: Store) -> None:
    store.write([decision(1), comparison(1)])
    assert store.add_feedback([_label("B", 6.0)], 10.0).outcomes == ("stored",)
    assert store.add_feedback([_label("A", 5.0)], 20.0).outcomes == ("superseded",)
    assert _final(store) == "B"
    assert store.feedback_counts().received == 2


def test_a_confirmation_is_kept_and_changes_nothing(store: Store) -> None:
    store.write([decision(1), comparison(1)])
    store.add_feedback([_label("A", 1.0)], 10.0)
    receipt = store.add_feedback([_label("A", 9.0)], 10.0)
    assert (receipt.outcomes, receipt.kept) == (("duplicate",), 1)
    assert store.add_feedback([_label("B", 5.0)], 11.0).outcomes == ("superseded",)
    assert _final(store) == "A"


def test_labels_without_a_decision_are_kept_and_named(store: Store) -> None:
    labels = [_label("A", ticket_id="t1"), _label("A", ticket_id="x"), _label("A", request_id="y")]
    store.write([decision(1)])
    assert store.add_feedback(labels, 10.0).unmatched == (1, 2)
    assert store.unmatched() == Unmatched(2, ("x", "y"))
    store.write([decision(2, ticket_id="x", request_id="y")])
    assert store.unmatched() == Unmatched(0, ())


def test_of_many_unmatched_ids_the_newest_are_named(store: Store) -> None:
    for number in range(120):
        store.add_feedback([_label("A", ticket_id=f"x{number}")], float(number))
    found = store.unmatched()
    assert found.ids == 120
    assert found.newest == tuple(f"x{number}" for number in range(119, 19, -1))


_LABELS = st.lists(
    st.tuples(st.sampled_from("ABC"), st.none() | st.sampled_from([1.0, 2.0, 30.0])), max_size=8
)


def _expected(history: list[tuple[str, float | None]]) -> str | None:
    """The label that counts, told one by one: the later decision wins, then the later arrival."""
    label, latest = None, float("-inf")
    for now, (name, at) in enumerate(history, start=10):
        moment = float(now) if at is None else at
        if moment >= latest:
            label, latest = name, moment
    return label


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(history=_LABELS)
def test_the_label_decided_last_counts(
    store: Store, history: list[tuple[str, float | None]]
) -> None:
    store.forget("t1", everything=True)
    store.write([decision(1), comparison(1)])
    for now, (name, at) in enumerate(history, start=10):
        store.add_feedback([_label(name, at)], float(now))
    # A repeat changes neither the label nor its time.
    assert _final(store) == _expected(_without_repeats(history))


def _without_repeats(history: list[tuple[str, float | None]]) -> list[tuple[str, float | None]]:
    kept: list[tuple[str, float | None]] = []
    for now, (name, at) in enumerate(history, start=10):
        if (name, at) in kept or (at is None and kept and _expected(kept) == name):
            continue
        kept.append((name, float(now) if at is None else at))
    return kept
