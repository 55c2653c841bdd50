"""Promises hold on simulated tickets, and what cannot be shown is refused with the reason."""

import numpy as np
import pytest

from service.contract.promises import Threshold
from service.statistics.choice import choose
from service.statistics.intervals import clopper_pearson, clopper_pearson_low
from service.statistics.sequence import fixed_sequence, needed
from tests.training.calibration.simulated import QUEUE, URGENCY, Simulated, simulate
from training.calibration.promises import parse_promises
from training.calibration.thresholds import threshold
from training.errors import ConfigError, PromiseRefused

PAGES = {"costs": {"P0": {"P1": 50, "P2": 50, "P3": 50}, "default": 1}, "human": 0.6}


@pytest.fixture(scope="module")
def world() -> Simulated:
    """So many tickets that shares among them are the truth."""
    return simulate(100_000, seed=1, spread=4.0)


@pytest.fixture(scope="module")
def tickets() -> Simulated:
    return simulate(1500, seed=2)


@pytest.fixture(scope="module")
def urgent() -> Simulated:
    return simulate(1500, classes=4, seed=3)


def decide(simulated: Simulated, level: float = 0.95, **promise: object) -> Threshold:
    task = QUEUE if simulated.probabilities.shape[1] == 3 else URGENCY
    wanted = parse_promises({task.name: promise}, "a file").tasks[task.name]
    return threshold(task, simulated.probabilities, simulated.labels, wanted, level)


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
    wanted = parse_promises({"queue": {"coverage": 0.8}}, "a file").tasks["queue"]
    found = threshold(QUEUE, tickets.probabilities, tickets.labels, wanted, 0.95, inside)
    accepted = int((tickets.sure[inside] >= found.auto).sum())
    assert clopper_pearson_low(accepted, 1500) >= 0.8 > clopper_pearson_low(accepted - 1, 1500)
    assert found.promise is not None
    assert found.promise.evidence.accepted == accepted
    assert found.promise.evidence.tickets == 1500
    wanted = parse_promises({"queue": {"coverage": 0.9}}, "a file").tasks["queue"]
    with pytest.raises(PromiseRefused, match="only 1350 of 1500 labelled tickets are in scope"):
        threshold(QUEUE, tickets.probabilities, tickets.labels, wanted, 0.95, inside)


def test_the_precision_of_tickets_out_of_scope_does_not_count(tickets: Simulated) -> None:
    wanted = parse_promises({"queue": {"precision": 0.95}}, "a file").tasks["queue"]
    inside = tickets.right | (np.arange(1500) % 2 == 0)
    all_in = threshold(QUEUE, tickets.probabilities, tickets.labels, wanted, 0.95)
    found = threshold(QUEUE, tickets.probabilities, tickets.labels, wanted, 0.95, inside)
    assert found.auto < all_in.auto


def test_the_cost_threshold_is_the_cheapest_of_all(urgent: Simulated) -> None:
    found = decide(urgent, **PAGES)
    assert found.promise is not None
    assert found.promise.evidence.cost is not None
    assert found.costs is not None
    paid = np.array(found.costs.matrix)[urgent.labels, urgent.given]
    means = {
        bar: float(np.where(urgent.sure >= bar, paid, 0.6).mean()) for bar in np.unique(urgent.sure)
    }
    assert means[found.auto] == pytest.approx(min(means.values()))
    cost = found.promise.evidence.cost
    assert cost.mean == pytest.approx(means[found.auto])
    assert cost.all_auto == pytest.approx(paid.mean())
    assert cost.all_human == 0.6
    assert cost.low < cost.mean < min(cost.high, cost.all_auto, cost.all_human)
    assert (found.promise.kind, found.promise.target) == ("cost", None)
    assert decide(urgent, **PAGES) == found


def test_the_interval_of_a_cost_is_that_of_resampled_tickets(urgent: Simulated) -> None:
    found = decide(urgent, **PAGES)
    assert found.promise is not None
    assert found.promise.evidence.cost is not None
    assert found.costs is not None
    paid = np.where(
        urgent.sure >= found.auto, np.array(found.costs.matrix)[urgent.labels, urgent.given], 0.6
    )
    chance = np.random.default_rng(5)
    means = [float(chance.choice(paid, len(paid)).mean()) for _ in range(1000)]
    low, high = np.quantile(means, [0.025, 0.975])
    cost = found.promise.evidence.cost
    assert (cost.low, cost.high) == (pytest.approx(low, rel=0.05), pytest.approx(high, rel=0.05))


def test_by_expected_cost_another_label_is_given_and_costs_less(urgent: Simulated) -> None:
    plain, careful = decide(urgent, **PAGES), decide(urgent, **PAGES, choose="expected_cost")
    assert careful.choose == "expected_cost"
    assert plain.promise is not None
    assert careful.promise is not None
    assert plain.promise.evidence.cost is not None
    assert careful.promise.evidence.cost is not None
    assert careful.promise.evidence.cost.all_auto < plain.promise.evidence.cost.all_auto
    assert careful.promise.evidence.cost.mean < plain.promise.evidence.cost.mean
    given = choose(urgent.probabilities, careful.costs, "expected_cost")
    sure = np.round(urgent.probabilities[np.arange(1500), given], 6)
    assert careful.auto in sure
    assert careful.promise.evidence.accepted == int((sure >= careful.auto).sum())


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


@pytest.mark.parametrize("suggest", [{}, {"suggest": 0.9999}])
def test_a_suggestion_that_is_not_asked_for_or_not_shown_starts_at_one_half(
    tickets: Simulated, suggest: dict[str, float]
) -> None:
    assert decide(tickets, coverage=0.5, **suggest).suggest == 0.5


def test_a_suggestion_is_never_above_auto(tickets: Simulated) -> None:
    found = decide(tickets, coverage=0.99, suggest=0.97)
    assert found.suggest == found.auto < 0.5


@pytest.mark.parametrize(
    ("promise", "count", "least"),
    [({"precision": 0.97}, 80, 99), ({"coverage": 0.97}, 80, 99), ({"precision": 0.99}, 250, 299)],
)
def test_too_few_tickets_are_refused_with_the_number_needed(
    tickets: Simulated, promise: dict[str, float], count: int, least: int
) -> None:
    with pytest.raises(PromiseRefused) as caught:
        decide(tickets.at(np.arange(count)), **promise)
    kind, target = next(iter(promise.items()))
    assert str(caught.value) == (
        f"task queue: a {kind} of {target} at level 0.95 needs at least {least} labelled tickets, "
        f"found {count}"
    )


def test_the_number_that_a_refusal_names_is_enough(tickets: Simulated) -> None:
    sure = np.tile([[0.98, 0.01, 0.01]], (99, 1))
    labels = np.array([0] * 99)
    sure[:2] = [[0.01, 0.98, 0.01], [0.01, 0.01, 0.98]]
    labels[:2] = [1, 2]
    assert decide(Simulated(sure, sure, labels), precision=0.97).auto == 0.98
    assert decide(tickets.at(np.arange(99)), coverage=0.97).auto > 0.0


def test_a_precision_that_nobody_can_meet_is_refused_with_the_best_bound() -> None:
    blind = simulate(800, seed=9, spread=0.5)
    with pytest.raises(PromiseRefused) as caught:
        decide(blind, precision=0.97)
    message = str(caught.value)
    assert message.startswith(
        "task queue: a precision of 0.97 at level 0.95 cannot be shown on 800 labelled tickets: "
        "from a confidence of "
    )
    bounds = [
        clopper_pearson_low(
            int(blind.right[blind.sure >= bar].sum()), int((blind.sure >= bar).sum())
        )
        for bar in np.unique(blind.sure)
    ]
    assert f"lower bound of {max(bounds):.4f} is the best" in message
    with pytest.raises(PromiseRefused, match="without per_label it needs fewer"):
        decide(blind, precision=0.8, per_label=True)


def test_a_human_who_costs_less_than_every_threshold_is_said() -> None:
    blind = simulate(800, seed=9, spread=0.2)
    with pytest.raises(PromiseRefused) as caught:
        decide(blind, costs={"default": 5}, human=0.001)
    assert str(caught.value).startswith(
        "task queue: no threshold costs less than an agent for every ticket, 0.001 each; the "
        "cheapest one costs 0.0"
    )


@pytest.mark.parametrize(
    "promise", [{"precision": 0.5}, {"coverage": 0.5}, {"costs": {}, "human": 1}]
)
def test_a_label_without_a_ticket_is_refused_by_name(
    tickets: Simulated, promise: dict[str, object]
) -> None:
    seen = tickets.at(np.flatnonzero(tickets.labels != 1))
    with pytest.raises(PromiseRefused) as caught:
        decide(seen, **promise)
    assert str(caught.value) == (
        "task queue: every label needs a labelled ticket to calibrate on, found none of network "
        f"among {len(seen)}"
    )


def test_costs_of_an_unknown_label_are_refused(tickets: Simulated) -> None:
    with pytest.raises(ConfigError, match=r"queue\.costs may name billing, network, payroll"):
        decide(tickets, costs={"P0": {"billing": 1}}, human=1)
