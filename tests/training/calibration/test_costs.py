"""What the cheapest threshold costs, and when a promise of costs is refused."""

import numpy as np
import pytest

from service.statistics.choice import choose
from tests.training.calibration.deciding import decide
from tests.training.calibration.simulated import Simulated, simulate
from training.errors import ConfigError, PromiseRefused

PAGES = {"costs": {"P0": {"P1": 50, "P2": 50, "P3": 50}, "default": 1}, "human": 0.6}


@pytest.fixture(scope="module")
def urgent() -> Simulated:
    return simulate(1500, classes=4, seed=3)


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


def test_a_human_who_costs_less_than_every_threshold_is_said() -> None:
    blind = simulate(800, seed=9, spread=0.2)
    with pytest.raises(PromiseRefused) as caught:
        decide(blind, costs={"default": 5}, human=0.001)
    assert str(caught.value).startswith(
        "task queue: no threshold costs less than an agent for every ticket, 0.001 each; the "
        "cheapest one costs 0.0"
    )


def test_a_mean_cost_needs_fifty_tickets(urgent: Simulated) -> None:
    few = urgent.at(np.arange(60))
    assert decide(few.at(np.arange(50)), costs={"default": 1}, human=3).auto > 0.0
    with pytest.raises(PromiseRefused) as caught:
        decide(few.at(np.arange(49)), costs={"default": 1}, human=3)
    assert str(caught.value) == (
        "task urgency: a promise of costs needs at least 50 labelled tickets, found 49"
    )
    with pytest.raises(PromiseRefused, match="least 50 labelled tickets in scope, found 40"):
        decide(few, inside=np.arange(60) < 40, costs={"default": 1}, human=3)


def test_a_saving_that_may_be_chance_is_refused(urgent: Simulated) -> None:
    few = urgent.at(np.arange(60))
    with pytest.raises(PromiseRefused) as caught:
        decide(few, costs={"default": 1}, human=0.1)
    message = str(caught.value)
    assert message.startswith(
        "task urgency: it cannot be shown on 60 labelled tickets to cost less than an agent for "
        "every ticket, 0.1 each: the least mean cost is 0.0"
    )
    mean, high = (float(message.split(word)[1].split(",")[0]) for word in ("cost is ", "reaches "))
    assert mean < 0.1 <= high


def test_costs_of_an_unknown_label_are_refused(tickets: Simulated) -> None:
    with pytest.raises(ConfigError, match=r"queue\.costs may name billing, network, payroll"):
        decide(tickets, costs={"P0": {"billing": 1}}, human=1)
