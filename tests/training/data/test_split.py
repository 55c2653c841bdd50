"""Splits: disjoint in near-duplicates, stable under added rows, and what they are said to be."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.contract.tasks import Task
from training.data.duplicates import THRESHOLD, near_duplicate_groups
from training.data.split import (
    SPLITS,
    group_rows,
    label_shares,
    read_splits,
    split_by_group,
    split_by_time,
    write_splits,
)
from training.data.table import Row, Table, normal_text, text_key
from training.errors import ConfigError, DataError

SHARES = {"train": 0.4, "validation": 0.2, "calibration": 0.2, "test": 0.2}
START = datetime(2026, 1, 1, tzinfo=UTC)

# Few words and long texts, so that near-duplicates and chains of them do occur.
WORDS = st.lists(st.sampled_from("ab"), min_size=1, max_size=14).map(" ".join)
TEXTS = st.lists(WORDS, min_size=1, max_size=25, unique_by=normal_text)


def table_of(texts: list[str]) -> Table:
    return Table(tuple(Row(text_key(text)[:12], "", text, {}) for text in texts))


def dated(texts: list[str]) -> Table:
    return Table(
        tuple(
            Row(str(at), "", text, {}, START + timedelta(hours=at)) for at, text in enumerate(texts)
        )
    )


def shingle_set(text: str) -> set[tuple[str, ...]]:
    words = normal_text(text).split(" ")
    size = min(3, len(words))
    return {tuple(words[at : at + size]) for at in range(len(words) - size + 1)}


def similarity(left: str, right: str) -> float:
    """The Jaccard index by its definition, from Python sets."""
    first, second = shingle_set(left), shingle_set(right)
    return len(first & second) / len(first | second)


@given(TEXTS)
@settings(deadline=None, max_examples=60)
def test_groups_are_the_connected_components_of_close_pairs(texts: list[str]) -> None:
    groups = list(range(len(texts)))
    for left in range(len(texts)):
        for right in range(left):
            if similarity(texts[left], texts[right]) >= THRESHOLD:
                old, new = groups[left], groups[right]
                groups = [new if group == old else group for group in groups]
    found = near_duplicate_groups(texts)
    pairs = {(left, right) for left in range(len(texts)) for right in range(left)}
    assert {p for p in pairs if found[p[0]] == found[p[1]]} == {
        p for p in pairs if groups[p[0]] == groups[p[1]]
    }


@given(TEXTS, st.integers(0, 5))
@settings(deadline=None, max_examples=60)
def test_no_near_duplicate_stands_on_both_sides(texts: list[str], seed: int) -> None:
    table = table_of(texts)
    assignment = split_by_group(table, SHARES, seed)
    for left in table.rows:
        for right in table.rows:
            if similarity(left.text, right.text) >= THRESHOLD:
                assert assignment[left.id] == assignment[right.id]


@given(TEXTS, TEXTS, st.integers(0, 5))
@settings(deadline=None, max_examples=60)
def test_added_rows_move_only_rows_whose_group_they_join(
    texts: list[str], added: list[str], seed: int
) -> None:
    before, known = table_of(texts), {normal_text(text) for text in texts}
    new = [text for text in added if normal_text(text) not in known]
    after = table_of([*new, *texts])
    joined = group_rows(after)
    touched = {joined[row.id] for row in table_of(new).rows}
    first, second = split_by_group(before, SHARES, seed), split_by_group(after, SHARES, seed)
    for row in before.rows:
        if joined[row.id] not in touched:
            assert first[row.id] == second[row.id]


@given(TEXTS, TEXTS, st.integers(0, 5))
@settings(deadline=None, max_examples=60)
def test_later_rows_move_none_unless_they_bridge_two_groups(
    texts: list[str], added: list[str], seed: int
) -> None:
    known = {normal_text(text) for text in texts}
    new = [text for text in added if normal_text(text) not in known]
    before, after = dated(texts), dated([*texts, *new])
    old, joined = group_rows(before), group_rows(after)
    first, second = split_by_group(before, SHARES, seed), split_by_group(after, SHARES, seed)
    parts = Counter(group for _, group in {(old[row.id], joined[row.id]) for row in before.rows})
    for row in before.rows:
        if parts[joined[row.id]] == 1:
            assert first[row.id] == second[row.id]


@given(st.randoms(use_true_random=False), TEXTS)
@settings(deadline=None, max_examples=40)
def test_the_order_of_the_rows_does_not_matter(rng: random.Random, texts: list[str]) -> None:
    shuffled = list(texts)
    rng.shuffle(shuffled)
    first, second = (split_by_group(table_of(some), SHARES, seed=3) for some in (texts, shuffled))
    assert first == second


def test_a_text_of_a_megabyte_is_compared_by_its_beginning() -> None:
    start = " ".join(str(number) for number in range(5_000))
    texts = [start + " left" * 300_000, start + " right" * 300_000, "something else"]
    assert near_duplicate_groups(texts) == [0, 0, 2]


def test_the_shares_hold_on_average_and_the_seed_changes_who() -> None:
    rng = random.Random(1)
    texts = [" ".join(f"{rng.getrandbits(40):x}" for _ in range(4)) for _ in range(3000)]
    table = table_of(texts)
    groups = group_rows(table)
    first, second = (split_by_group(table, SHARES, seed, groups) for seed in (1, 2))
    counts = Counter(first.values())
    for split in SPLITS:
        assert abs(counts[split] / 3000 - SHARES[split]) < 0.04
    assert first != second


def test_by_time_the_newest_rows_test_and_groups_stay_whole() -> None:
    texts = [f"ticket {number} says {number * 7} and {number * 11}" for number in range(40)]
    texts[39] = texts[0] + "!"
    table = dated(texts)
    assignment = split_by_time(table, SHARES)
    order = [SPLITS.index(assignment[row.id]) for row in table.rows[:39]]
    assert order == sorted(order)
    assert set(assignment.values()) == set(SPLITS)
    assert assignment["39"] == assignment["0"] == "train"


def test_by_time_needs_a_time_on_every_row() -> None:
    with pytest.raises(DataError, match="2 lack it"):
        split_by_time(table_of(["one", "two"]), SHARES)


@pytest.mark.parametrize(
    "shares",
    [
        {"train": 1.0},
        {**SHARES, "train": 0.5},
        {**SHARES, "train": -0.1, "test": 0.7},
        {**SHARES, "extra": 0.0},
    ],
)
def test_shares_that_make_no_whole_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        split_by_group(table_of(["one"]), shares, 1)


def test_label_shares_are_of_the_labelled_rows_of_each_split() -> None:
    rows = [Row(str(at), "", str(at), {"category": "ab"[at % 2]}) for at in range(4)]
    table = Table((*rows, Row("4", "", "4", {})))
    assignment = dict(zip("01234", ("train", "train", "train", "test", "test"), strict=True))
    report = label_shares(table, assignment, [Task(name="category", labels=("a", "b"))])
    assert report["train"]["tasks"]["category"] == {
        "labelled": 3,
        "labels": {"a": pytest.approx(2 / 3), "b": pytest.approx(1 / 3)},
    }
    assert report["test"] == {
        "rows": 2,
        "tasks": {"category": {"labelled": 1, "labels": {"a": 0.0, "b": 1.0}}},
    }
    assert report["validation"]["tasks"]["category"]["labels"] == {"a": 0.0, "b": 0.0}


def test_written_splits_read_back(tmp_path: Path) -> None:
    table = table_of(["one", "two", "three, with a comma"])
    groups = group_rows(table)
    assignment = split_by_group(table, SHARES, 1, groups)
    write_splits(tmp_path / "splits.csv", assignment, groups)
    assert read_splits(tmp_path / "splits.csv") == assignment


@pytest.mark.parametrize("text", ["id,other\n1,2\n", "id,split,group\n1,nowhere,\n"])
def test_a_file_that_is_no_file_of_splits_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "splits.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError):
        read_splits(tmp_path / "splits.csv")
