"""Votes of several agents: what a field may say, who won, and shares of labels."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.data.files import Wanted
from training.data.read import read_table
from training.data.votes import MOST_VOTES, BrokenVotes, majority, parse_votes, vote_shares

labels = st.text(st.characters(exclude_characters=";", categories=("L", "N", "P", "S")), min_size=1)
counts = st.dictionaries(labels, st.integers(1, MOST_VOTES), min_size=1, max_size=6)


@settings(deadline=None)
@given(counts)
def test_what_was_written_is_read_back(votes: dict[str, int]) -> None:
    assert parse_votes(";".join(f"{label}:{count}" for label, count in votes.items())) == votes


def test_a_label_may_hold_colons_and_spaces_stand_around_nothing() -> None:
    assert parse_votes(" team: payments :3; x:1:2 ") == {"team: payments": 3, "x:1": 2}


def test_a_label_without_a_vote_is_left_out() -> None:
    assert parse_votes("billing:0;technical:2") == {"technical": 2}


@pytest.mark.parametrize("field", ["", "  "])
def test_an_empty_field_holds_no_votes(field: str) -> None:
    assert parse_votes(field) == {}


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("secret", "entry 1 is not label:count"),
        ("secret:1;", "entry 2 is not label:count"),
        (":4", "entry 1 is not label:count"),
        ("secret:", "entry 1 has no whole count"),
        ("secret:-1", "entry 1 has no whole count"),
        ("secret:1.5", "entry 1 has no whole count"),
        ("secret:²", "entry 1 has no whole count"),
        ("secret:99999999999999999999", "entry 1 has no whole count"),
        ("secret:1000001", "more than 1,000,000 votes"),
        ("secret:1;secret:2", "entry 2 names a label for the second time"),
        ("secret:0", "no label has a vote"),
    ],
)
def test_a_broken_field_says_the_rule_and_none_of_its_text(field: str, said: str) -> None:
    with pytest.raises(BrokenVotes, match=said) as caught:
        parse_votes(field)
    assert "secret" not in str(caught.value)


@settings(deadline=None)
@given(st.lists(st.sampled_from("abcd"), min_size=1))
def test_the_majority_is_the_only_label_with_the_most_votes(cast: list[str]) -> None:
    votes = Counter(cast)
    first, *others = votes.most_common()
    tied = any(count == first[1] for _, count in others)
    assert majority(votes) == (None if tied else first[0])


def test_without_votes_there_is_no_majority() -> None:
    assert majority({}) is None


@settings(deadline=None)
@given(st.lists(counts, min_size=1, max_size=5))
def test_shares_sum_to_one_and_keep_the_order_of_the_labels(votes: list[dict[str, int]]) -> None:
    known = sorted({label for ticket in votes for label in ticket})
    shares_NC = vote_shares(votes, known)
    np.testing.assert_allclose(shares_NC.sum(axis=1), 1.0, rtol=1e-5)
    for ticket, shares_C in zip(votes, shares_NC, strict=True):
        expected = [ticket.get(label, 0) / sum(ticket.values()) for label in known]
        np.testing.assert_allclose(shares_C, expected, rtol=1e-5)


def test_votes_for_labels_left_out_do_not_count() -> None:
    shares_NC = vote_shares([{"a": 1, "rare": 3}, {"rare": 1}, {}], ("a", "b"))
    assert shares_NC.tolist() == [[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
    assert shares_NC.dtype == np.float32


def test_rows_with_the_same_text_add_their_votes_and_the_majority_is_the_label(
    tmp_path: Path,
) -> None:
    path = tmp_path / "votes.csv"
    lines = ["body,category,agents", "one text,,billing:3", "one text,,technical:1", "two,,a:1;b:1"]
    path.write_text("\n".join(lines) + "\n")
    table, rejects = read_table(path, [Wanted("category")], votes={"category": "agents"})
    merged, tied = table.rows
    assert merged.labels == {"category": "billing"}
    assert merged.votes == {"category": {"billing": 3, "technical": 1}}
    assert tied.labels == {}
    assert [item.rule for item in rejects.items] == ["same_text"]


def test_a_field_that_holds_no_votes_is_a_reject(tmp_path: Path) -> None:
    path = tmp_path / "votes.csv"
    path.write_text("body,category,agents\none,billing,billing\ntwo,billing,billing:1\n")
    wanted = [Wanted("category")]
    table, rejects = read_table(path, wanted, max_reject_share=1.0, votes={"category": "agents"})
    assert [row.text for row in table.rows] == ["two"]
    assert [(item.column, item.rule) for item in rejects.items] == [("agents", "votes")]
