"""Which disagreements agents are asked about, and how their answers come back."""

import csv
import io
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.labels_file import read_labels
from service.ledger.records import Case, FinalLabel
from service.ledger.store import Store
from service.shadow.review import allocate, choose, uncertainty
from service.shadow.review_file import write_csv
from service.shadow.review_queue import read_review
from service.shadow.spreadsheet import bare, guarded
from tests.service.shadow.cases import DAY_S, START, World, simulate
from tests.service.shadow.filled import fill

CASES = simulate(World(tickets_a_day=150, labelled=0.4, discordance=0.15))
OPEN = [
    case
    for case in CASES
    if case.outcome == "compared"
    and case.final_label is None
    and case.primary_label != case.legacy_label
]


def pair(case: Case) -> tuple[str | None, str | None]:
    return case.incumbent_label, case.challenger_label


@given(st.lists(st.integers(0, 400), max_size=12), st.integers(0, 600))
def test_places_are_given_out_in_full_and_never_beyond_a_stratum(
    sizes: list[int], count: int
) -> None:
    given_ = allocate(sizes, count)
    assert sum(given_) == min(count, sum(sizes))
    assert all(0 <= one <= size for one, size in zip(given_, sizes, strict=True))


@given(st.lists(st.integers(1, 10_000), min_size=2, max_size=8))
def test_places_grow_with_the_square_root(sizes: list[int]) -> None:
    count = min(sizes) // 2
    roots = [math.sqrt(size) for size in sizes]
    for one, root in zip(allocate(sizes, count), roots, strict=True):
        assert one == pytest.approx(count * root / sum(roots), abs=len(sizes) / 2 + 1)


@given(st.integers(0, 300), st.integers(0, 5))
def test_only_open_disagreements_are_chosen_and_each_once(count: int, seed: int) -> None:
    chosen = choose(CASES, count, seed)
    assert len(chosen) == min(count, len(OPEN))
    assert len({case.decision_id for case in chosen}) == len(chosen)
    assert {case.decision_id for case in chosen} <= {case.decision_id for case in OPEN}
    assert choose(CASES[::-1], count, seed) == chosen


def test_every_label_pair_is_looked_at() -> None:
    pairs = Counter(map(pair, OPEN))
    chosen = Counter(map(pair, choose(CASES, 100)))
    big = {one for one, count in pairs.items() if count >= 5}
    assert big <= set(chosen)


def test_half_are_the_least_certain_and_the_rest_are_drawn() -> None:
    name, count = Counter(map(pair, OPEN)).most_common(1)[0]
    alone = [case for case in OPEN if pair(case) == name]
    size = count // 3
    ranked = sorted(alone, key=lambda case: (-uncertainty(case), case.decision_id))
    sure = {case.decision_id for case in ranked[: math.ceil(size / 2)]}
    first, second = ({c.decision_id for c in choose(alone, size, seed)} for seed in (0, 1))
    assert sure <= first & second
    assert first != second


def test_labels_from_the_review_leave_its_queue(tmp_path: Path) -> None:
    category = simulate(World(days=3.0, tickets_a_day=60, labelled=0.0))
    urgency = [
        replace(case, task="urgency", labels={"urgency": case.primary_label}) for case in category
    ]
    with Store(f"sqlite:///{tmp_path / 'ledger.db'}") as store:
        fill(store, category, urgency)
        asked = read_review(store, "old-desk", 20)
        assert {case.task for case in asked} == {"category", "urgency"}
        assert {case.task for case in read_review(store, count=20, tasks=["urgency"])} == {
            "urgency"
        }
        rows = sheet(asked)
        for row in rows:
            row["label"] = row["challenger"]
        labels = read(save(tmp_path / "r.csv", rows, ",", "utf-8"))
        assert store.add_feedback(labels, START + 30 * DAY_S).unmatched == ()
        left = read_review(store, "old-desk", 1_000)
    done = {(case.decision_id, case.task) for case in asked}
    assert left
    assert not done & {(case.decision_id, case.task) for case in left}


def test_a_negative_count_is_refused() -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        choose(CASES, -1)


@given(st.text())
def test_no_cell_begins_a_formula_and_each_comes_back(cell: str) -> None:
    assert not guarded(cell).startswith(
        ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
    )
    assert bare(guarded(cell)) == cell


def sheet(cases: list[Case]) -> list[dict[str, str]]:
    text = io.StringIO(newline="")
    assert write_csv(cases, text) == len(cases)
    return list(csv.DictReader(io.StringIO(text.getvalue(), newline="")))


def read(path: Path) -> list[FinalLabel]:
    """The labels that a file holds, as the ledger takes them."""
    labels = []
    for row in read_labels(path, ["category", "urgency"]):
        ((task, label),) = row.feedback.pop("labels").items()
        labels.append(FinalLabel(task, label, **row.feedback))
    return labels


def save(path: Path, rows: list[dict[str, str]], delimiter: str, encoding: str) -> Path:
    with path.open("w", encoding=encoding, newline="") as file:
        table = csv.DictWriter(file, rows[0], delimiter=delimiter)
        table.writeheader()
        table.writerows(rows)
    return path


@pytest.mark.parametrize(("delimiter", "encoding"), [(",", "utf-8"), (";", "utf-8-sig")])
def test_what_agents_wrote_comes_back_as_labels(
    tmp_path: Path, delimiter: str, encoding: str
) -> None:
    cases = [replace(OPEN[0], ticket_id="=1+1"), replace(OPEN[1], ticket_id=None), OPEN[2]]
    rows = sheet(cases)
    assert (rows[0]["ticket_id"], rows[0]["label"], rows[0]["source"]) == ("'=1+1", "", "review")
    rows[0]["label"], rows[1]["label"] = "billing", " Zahlung, offen "
    assert read(save(tmp_path / "r.csv", rows, delimiter, encoding)) == [
        FinalLabel("category", "billing", ticket_id="=1+1", source="review"),
        FinalLabel("category", "Zahlung, offen", request_id=OPEN[1].request_id, source="review"),
    ]
