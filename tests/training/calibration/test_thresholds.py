"""Promised precisions and coverages hold on simulated tickets."""

import numpy as np
import pytest

from service.statistics.intervals import clopper_pearson, clopper_pearson_low
from service.statistics.sequence import fixed_sequence, needed
from tests.training.calibration.deciding import decide
from tests.training.calibration.simulated import QUEUE, Simulated, simulate


@pytest.fixture(scope="module")
def world() -> Simulated:
    """So many tickets that shares among them are the truth."""
    return simulate(100_000, seed=1, spread=4.0)


def resplit(world: Simulated, seed: int, tickets: int = 600) -> Simulated:
    return world.at(np.random.default_rng(seed).integers(len(world), size=tickets))


def true_precision(world: Simulated, bar: float, label: int | None = None) -> float:
    """The mean true probability of the labels that would be `auto`."""
    accepted = world.sure >= bar
    if label is not None:
        accepted &= world.given == label
    return float(world.sure[accepted].mean())


def lowest_that_looks_right(simulated: Simulated, target: float) -> float:
    """What a desk would choose by looking at the observed precision alone."""
    order = np.argsort(-simulated.sure)
    precision = np.cumsum(simulated.right[order]) / np.arange(1, len(order) + 1)
    return float(simulated.sure[order][precision >= target][-1])


def test_a_promised_precision_is_kept_where_one_that_is_only_looked_at_is_not(
    world: Simulated,
) -> None:
    kept, looked = [], []
    for seed in range(200):
        split = resplit(world, seed)
        kept.append(true_precision(world, decide(split, precision=0.92).auto) >= 0.92)
        looked.append(true_precision(world, lowest_that_looks_right(split, 0.92)) >= 0.92)
    assert np.mean(kept) >= 0.95 - 2 * np.sqrt(0.95 * 0.05 / 200)
    assert np.mean(looked) < 0.7


def test_promises_by_label_are_kept_all_together(world: Simulated) -> None:
    kept, shown = [], 0
    for seed in range(100):
        found = decide(resplit(world, seed, 1000), precision=0.9, per_label=True)
        bars = {label: found.by_label.get(label, found.auto) for label in QUEUE.labels}
        shown += sum(bar is not None for bar in found.by_label.values())
        kept.append(
            all(
                true_precision(world, bar, label) >= 0.9
                for label, bar in enumerate(bars.values())
                if bar is not None
            )
        )
    assert np.mean(kept) >= 0.95 - 2 * np.sqrt(0.95 * 0.05 / 100)
    assert shown > 250


def test_a_promised_coverage_is_kept(world: Simulated) -> None:
    covered = [
        float((world.sure >= decide(resplit(world, seed), coverage=0.8).auto).mean())
        for seed in range(200)
    ]
    assert np.mean(np.array(covered) >= 0.8) >= 0.95 - 2 * np.sqrt(0.95 * 0.05 / 200)
    assert np.mean(covered) < 0.85


def test_the_threshold_is_that_of_fixed_sequence_testing(tickets: Simulated) -> None:
    found = decide(tickets, precision=0.95)
    assert found.auto == fixed_sequence(tickets.sure, tickets.right, 0.95)
    assert found.auto == round(found.auto, 6)
    assert (found.choose, found.costs, found.by_label) == ("probability", None, {})


def test_the_evidence_counts_what_the_threshold_accepts(tickets: Simulated) -> None:
    found = decide(tickets, level=0.9, precision=0.95)
    assert found.promise is not None
    assert (found.promise.kind, found.promise.target, found.promise.level) == (
        "precision",
        0.95,
        0.9,
    )
    seen = found.promise.evidence
    accepted = tickets.sure >= found.auto
    right = tickets.right[accepted]
    assert (seen.tickets, seen.accepted, seen.right) == (1500, accepted.sum(), right.sum())
    assert seen.precision is not None
    interval = clopper_pearson(seen.right, seen.accepted)
    assert (seen.precision.low, seen.precision.high) == (interval.low, interval.high)
    assert seen.precision.value == pytest.approx(right.mean())
    assert seen.coverage.value == pytest.approx(accepted.mean())
    assert seen.coverage.low < seen.coverage.value < seen.coverage.high
    assert seen.cost is None


def test_the_coverage_threshold_is_the_highest_that_is_shown(tickets: Simulated) -> None:
    found = decide(tickets, coverage=0.8)
    accepted = int((tickets.sure >= found.auto).sum())
    assert clopper_pearson_low(accepted, 1500) >= 0.8 > clopper_pearson_low(accepted - 1, 1500)
    assert found.promise is not None
    assert found.promise.evidence.accepted == accepted


def test_a_ticket_out_of_scope_is_never_auto(tickets: Simulated) -> None:
    inside = np.arange(1500) % 10 > 0
    found = decide(tickets, inside=inside, coverage=0.8)
    accepted = int((tickets.sure[inside] >= found.auto).sum())
    assert clopper_pearson_low(accepted, 1500) >= 0.8 > clopper_pearson_low(accepted - 1, 1500)
    assert found.promise is not None
    assert found.promise.evidence.accepted == accepted
    assert found.promise.evidence.tickets == 1500


def test_the_precision_of_tickets_out_of_scope_does_not_count(tickets: Simulated) -> None:
    inside = tickets.right | (np.arange(1500) % 2 == 0)
    found = decide(tickets, inside=inside, precision=0.95)
    assert found.auto < decide(tickets, precision=0.95).auto


def test_a_promise_by_label_has_a_threshold_for_each_label_with_the_tickets() -> None:
    simulated = simulate(2000, seed=6, spread=3.0, prior=np.array([0.7, 0.29, 0.001]))
    found = decide(simulated, precision=0.95, per_label=True)
    assert np.bincount(simulated.given)[2] < needed(0.95) < np.bincount(simulated.given)[1]
    assert found.by_label["payroll"] is None
    for label in range(2):
        own = simulated.given == label
        # Two labels and the rest share the twentieth that may go wrong.
        shown = fixed_sequence(simulated.sure[own], simulated.right[own], 0.95, 1.0 - 0.05 / 3)
        assert found.by_label[QUEUE.labels[label]] == shown
        assert shown is not None
    bars = np.array([found.by_label[name] or 2.0 for name in QUEUE.labels])
    assert found.promise is not None
    assert found.promise.evidence.accepted == int((simulated.sure >= bars[simulated.given]).sum())


def test_labels_without_the_tickets_share_one_threshold() -> None:
    many = simulate(4000, classes=4, seed=7, spread=4.0)
    each = [np.flatnonzero(many.given == label) for label in range(4)]
    simulated = many.at(np.concatenate([each[0], *(some[:45] for some in each[1:])]))
    rest = simulated.given != 0
    assert np.bincount(simulated.given)[1:].max() < 5 * needed(0.8, 0.975) < rest.sum()
    found = decide(simulated, precision=0.8, per_label=True)
    assert list(found.by_label) == ["P0"]
    assert found.auto == fixed_sequence(simulated.sure[rest], simulated.right[rest], 0.8, 0.975)
    assert found.by_label["P0"] == fixed_sequence(
        simulated.sure[~rest], simulated.right[~rest], 0.8, 0.975
    )


def test_a_label_that_shows_nothing_is_never_auto() -> None:
    simulated = simulate(1200, seed=8, spread=3.0)
    labels = simulated.labels.copy()
    wrong = simulated.probabilities.argmax(axis=1) == 1
    labels[wrong] = np.random.default_rng(0).integers(3, size=int(wrong.sum()))
    poor = Simulated(simulated.logits, simulated.probabilities, labels)
    found = decide(poor, precision=0.9, per_label=True)
    assert found.by_label["network"] is None
    assert found.by_label["billing"] is not None
    assert found.by_label["payroll"] is not None


def test_too_few_tickets_for_labels_of_their_own_share_one_promise(tickets: Simulated) -> None:
    few = tickets.at(np.arange(60))
    assert decide(few, precision=0.8, per_label=True) == decide(few, precision=0.8)


def test_a_suggestion_is_tested_the_same_way(tickets: Simulated) -> None:
    found = decide(tickets, precision=0.95, suggest=0.85)
    assert found.suggest == fixed_sequence(tickets.sure, tickets.right, 0.85)
    assert found.suggest < found.auto


def test_without_a_precision_for_it_a_suggestion_starts_at_one_half(tickets: Simulated) -> None:
    assert decide(tickets, coverage=0.5).suggest == 0.5


def test_a_suggestion_is_never_above_auto(tickets: Simulated) -> None:
    found = decide(tickets, coverage=0.99, suggest=0.9)
    shown = fixed_sequence(tickets.sure, tickets.right, 0.9)
    assert shown is not None
    assert found.suggest == found.auto < 0.5 < shown
