"""What is too old, too much, or to be forgotten goes, with all that belongs to it."""

from pathlib import Path

import pytest

from service.ledger.records import FinalLabel
from service.ledger.scope import FeedbackCounts, Forgotten, Scope
from service.ledger.store import Store
from tests.service.ledger.made import comparison, decision

DAY_S = 86_400.0
HUGE_MB = 1e6


def _fill(store: Store, count: int, step_s: float = 1.0) -> None:
    store.write(
        [decision(n, at=n * step_s, text=("subject", f"body {n}")) for n in range(count)]
        + [comparison(n) for n in range(count)]
    )
    labels = [FinalLabel("category", "a", ticket_id=f"t{n}") for n in range(count)]
    store.add_feedback(labels, count * step_s)


def _left(store: Store) -> list[str]:
    return [case.decision_id for case in store.cases(Scope("old"))][::-1]


def test_old_decisions_go_with_their_labels_and_texts(store: Store) -> None:
    _fill(store, 10, DAY_S)
    assert store.prune(10 * DAY_S, 4, HUGE_MB) == {"age": 6, "size": 0}
    assert _left(store) == [f"d{n:06}" for n in range(6, 10)]
    assert store.feedback_counts() == FeedbackCounts(4, 4, 0)
    assert set(store.texts([f"d{n:06}" for n in range(10)])) == set(_left(store))
    assert store.prune(10 * DAY_S, 4, HUGE_MB) == {"age": 0, "size": 0}


def test_a_label_stays_while_a_later_decision_of_its_ticket_does(store: Store) -> None:
    store.write([decision(1, ticket_id="same", at=0.0)])
    store.write([decision(2, ticket_id="same", at=9 * DAY_S)])
    store.add_feedback([FinalLabel("category", "a", ticket_id="same")], DAY_S)
    store.prune(10 * DAY_S, 4, HUGE_MB)
    assert store.feedback_counts().received == 1


def test_old_labels_without_a_decision_go_too(store: Store) -> None:
    store.add_feedback([FinalLabel("category", "a", ticket_id="x")], 1.0)
    store.add_feedback([FinalLabel("category", "a", ticket_id="y")], 9 * DAY_S)
    store.prune(10 * DAY_S, 4, HUGE_MB)
    assert store.unmatched().newest == ("y",)


def test_a_call_deletes_no_more_than_it_is_allowed(store: Store) -> None:
    _fill(store, 10)
    assert store.pruned_until() is None
    assert store.prune(1e9, 1, HUGE_MB, most=3) == {"age": 3, "size": 0}
    assert _left(store)[0] == "d000003"
    assert store.pruned_until() == 2.0


def test_a_large_store_loses_its_oldest_decisions_and_no_more(store: Store) -> None:
    _fill(store, 6_000)
    store.prune(0.0, 1, HUGE_MB)
    before = store.size_bytes()
    limit_mb = before / 2 / 2**20
    store.prune(0.0, 1, limit_mb)
    left = _left(store)
    assert 0.35 * 6_000 < len(left) < 0.65 * 6_000
    assert left[-1] == "d005999"
    assert store.prune(0.0, 1, 1.2 * limit_mb) == {"age": 0, "size": 0}


def test_forgetting_a_text_leaves_the_decision(store: Store) -> None:
    _fill(store, 3)
    assert store.forget("t1") == Forgotten(texts=1)
    assert set(store.texts([f"d{n:06}" for n in range(3)])) == {"d000000", "d000002"}
    assert len(_left(store)) == 3


def test_forgetting_everything_leaves_nothing_of_the_ticket(store: Store) -> None:
    _fill(store, 3)
    store.add_feedback([FinalLabel("queue", "b", request_id="r1")], 9.0)
    gone = store.forget("t1", everything=True)
    assert gone == Forgotten(texts=1, decisions=1, predictions=3, comparisons=1, feedback=2)
    assert _left(store) == ["d000000", "d000002"]
    assert store.feedback_counts() == FeedbackCounts(2, 2, 0)


def test_a_request_id_that_others_share_keeps_its_labels(store: Store) -> None:
    store.write([decision(1, request_id="same"), decision(2, request_id="same")])
    store.add_feedback([FinalLabel("category", "a", request_id="same")], 9.0)
    assert store.forget("t1", everything=True).feedback == 0


def test_forgetting_a_ticket_nobody_knows_deletes_nothing(store: Store) -> None:
    _fill(store, 3)
    assert store.forget("none", everything=True) == Forgotten()


@pytest.mark.parametrize("everything", [False, True])
def test_forgotten_bytes_are_in_no_file_of_sqlite(tmp_path: Path, everything: bool) -> None:
    with Store(f"sqlite:///{tmp_path}/ledger.db") as store:
        store.write([decision(1, text=("subject", "unmistakable words " * 300))])
        store.forget("t1", everything=everything)
        for file in tmp_path.iterdir():
            assert b"unmistakable" not in file.read_bytes()


def test_a_pruned_file_of_sqlite_gets_smaller(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    with Store(f"sqlite:///{file}") as store:
        _fill(store, 3_000)
        store.prune(1e9, 1, HUGE_MB, most=1)
        before = file.stat().st_size
        store.prune(1e9, 1, HUGE_MB)
        assert file.stat().st_size < before / 4
