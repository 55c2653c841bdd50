"""How far one column tells another: against scikit-learn, scipy, and what must hold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats.contingency import association as scipy_association
from sklearn.metrics import mutual_info_score
from sklearn.metrics.cluster import expected_mutual_information

from training.audit.association import codes, conditional_entropy, crossed, lookup, strength


def columns(seed: int, n: int, values: int) -> tuple[np.ndarray, np.ndarray]:
    """Two columns of which the first tells the second half of the time."""
    chance = np.random.default_rng(seed)
    known_N = chance.integers(0, values, n)
    told_N = np.where(chance.random(n) < 0.5, known_N % 3, chance.integers(0, 3, n))
    return known_N, told_N


def test_a_function_is_told_without_an_error_and_leaves_no_entropy() -> None:
    known_N = np.random.default_rng(0).integers(0, 8, 900)
    found = lookup(known_N, known_N // 2)
    assert found.accuracy == 1.0
    assert found.removed == 1.0
    assert found.entropy == pytest.approx(0.0, abs=1e-12)


def test_unrelated_columns_tell_nothing_however_many_values_they_have() -> None:
    chance = np.random.default_rng(1)
    for values in (2, 20, 300):
        found = lookup(chance.integers(0, values, 1000), chance.integers(0, 5, 1000))
        assert abs(found.removed) < 0.08
        assert found.entropy > 0.97


def test_a_column_with_a_value_of_its_own_for_every_ticket_tells_no_more_than_the_majority() -> (
    None
):
    told_N = np.array([0] * 60 + [1] * 40)
    found = lookup(np.arange(100), told_N)
    assert found.accuracy == pytest.approx(0.6)
    assert found.removed == pytest.approx(0.0)
    assert found.entropy == pytest.approx(1.0)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=2, max_size=40))
def test_left_one_out_equals_asking_the_other_tickets_one_by_one(
    pairs: list[tuple[int, int]],
) -> None:
    known_N, told_N = np.array(pairs).T
    favourite = np.bincount(told_N).argmax()
    right = 0.0
    for place, (known, told) in enumerate(pairs):
        others = [y for at, (x, y) in enumerate(pairs) if x == known and at != place]
        counts = np.bincount(others, minlength=5) if others else np.zeros(5)
        if not others:
            right += float(told == favourite)
        elif counts[told] == counts.max():
            right += 1.0 / float((counts == counts.max()).sum())
    assert lookup(known_N, told_N).accuracy == pytest.approx(right / len(pairs))


@pytest.mark.parametrize(("n", "values"), [(300, 12), (2000, 5), (500, 100)])
def test_the_entropy_agrees_with_the_exact_chance_of_scikit_learn(n: int, values: int) -> None:
    known_N, told_N = columns(2, n, values)
    table_XY = crossed(known_N, told_N)
    chance = expected_mutual_information(table_XY, n)
    shares = np.bincount(told_N) / n
    entropy = float(-(shares * np.log(shares)).sum())
    exact = 1.0 - (mutual_info_score(known_N, told_N) - chance) / (entropy - chance)
    assert conditional_entropy(known_N, told_N) == pytest.approx(exact, abs=0.01)


def test_the_lookup_interval_holds_its_figure() -> None:
    found = lookup(*columns(3, 800, 6))
    assert found.interval.low < found.accuracy < found.interval.high
    assert found.removed_interval.low < found.removed < found.removed_interval.high


@pytest.mark.parametrize("seed", range(5))
def test_the_strength_agrees_with_scipy_where_its_correction_is_small(seed: int) -> None:
    table_XY = crossed(*columns(seed, 5000, 3))
    assert strength(table_XY).v == pytest.approx(scipy_association(table_XY), abs=0.005)


def test_the_interval_of_the_strength_covers_the_truth() -> None:
    truth_22 = np.array([[0.35, 0.15], [0.15, 0.35]])  # Its V is 0.4.
    chance = np.random.default_rng(5)
    covered = 0
    for _ in range(100):
        found = strength(chance.multinomial(400, truth_22.reshape(-1)).reshape(2, 2)).interval
        covered += found.low <= 0.4 <= found.high
    assert 88 <= covered <= 100


def test_unrelated_columns_have_no_strength_and_a_function_has_all() -> None:
    known_N = np.repeat(np.arange(4), 50)
    assert strength(crossed(known_N, known_N)).v == pytest.approx(1.0)
    assert strength(crossed(known_N, np.tile(np.arange(2), 100))).v == 0.0
    assert strength(crossed(known_N, np.zeros(200, dtype=np.int64))).p == 1.0


def test_codes_number_the_values_in_their_order() -> None:
    assert codes(["b", "a", "b", "c"]).tolist() == [1, 0, 1, 2]
