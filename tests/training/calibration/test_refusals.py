"""What cannot be shown is refused with the reason, and with what would be needed."""

import numpy as np
import pytest

from service.statistics.intervals import clopper_pearson_low
from tests.training.calibration.deciding import decide
from tests.training.calibration.simulated import QUEUE, Simulated, simulate
from training.calibration.refusals import enough
from training.errors import PromiseRefused


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
    assert message.endswith("no number of tickets would do")


def test_a_refusal_says_how_many_accepted_tickets_would_do() -> None:
    """190 of 200 are right, all equally sure: .95, of which .94 cannot be shown."""
    with pytest.raises(PromiseRefused) as caught:
        decide(equally_sure(190, 10), precision=0.94)
    number = enough(190, 200, 0.94, 0.95)
    assert number is not None
    assert str(caught.value).endswith(
        f"; about {number} accepted tickets at the observed precision would do"
    )
    with pytest.raises(PromiseRefused, match=r"observed precision of 0\.9500 no number of tickets"):
        decide(equally_sure(190, 10), precision=0.95)


def test_a_threshold_that_only_looser_tickets_show_is_told_apart() -> None:
    first, second = equally_sure(170, 30), equally_sure(1000, 0)
    less = second.probabilities - np.array([0.1, -0.05, -0.05])
    sure = np.concatenate([first.probabilities, less])
    labels = np.concatenate([first.labels, second.labels])
    with pytest.raises(PromiseRefused) as caught:
        decide(Simulated(sure, sure, labels), precision=0.95)
    message = str(caught.value)
    assert "from a confidence of 0.88 on, 1170 of 1200 are right" in message
    assert message.endswith("where testing starts, do not show it; with more tickets they may")


@pytest.mark.parametrize(("right", "accepted", "target"), [(97, 100, 0.95), (190, 200, 0.94)])
def test_so_many_tickets_show_it_and_a_tenth_fewer_do_not(
    right: int, accepted: int, target: float
) -> None:
    number = enough(right, accepted, target, 0.95)
    assert number is not None
    assert clopper_pearson_low(right * number // accepted, number) >= target
    fewer = int(0.9 * number)
    assert clopper_pearson_low(right * fewer // accepted, fewer) < target


def test_a_precision_at_or_below_the_target_is_never_enough() -> None:
    assert enough(95, 100, 0.95, 0.95) is None
    assert enough(0, 10, 0.5, 0.95) is None


def test_a_refusal_by_label_counts_at_the_level_of_each() -> None:
    blind = simulate(800, seed=9, spread=0.5)
    with pytest.raises(PromiseRefused) as caught:
        decide(blind, precision=0.8, per_label=True)
    message = str(caught.value)
    assert message.endswith("; without per_label it needs fewer")
    own = {
        name: [
            clopper_pearson_low(int(blind.right[some].sum()), int(some.sum()), 1.0 - 0.05 / 3)
            for bar in np.unique(blind.sure[blind.given == label])
            for some in [(blind.given == label) & (blind.sure >= bar)]
        ]
        for label, name in enumerate(QUEUE.labels)
    }
    best = max(own, key=lambda name: max(own[name]))
    bound = f"whose lower bound of {max(own[best]):.4f} at level 0.9833 is the best"
    assert f" called {best} are right, {bound}" in message


def test_only_tickets_in_scope_count(tickets: Simulated) -> None:
    inside = np.arange(1500) < 98
    with pytest.raises(
        PromiseRefused, match="needs at least 99 labelled tickets in scope, found 98"
    ):
        decide(tickets, inside=inside, precision=0.97)
    blind = simulate(800, seed=9, spread=0.5)
    with pytest.raises(PromiseRefused, match="shown on 400 labelled tickets in scope: from a"):
        decide(blind, inside=np.arange(800) % 2 == 0, precision=0.97)
    inside = np.arange(1500) % 10 > 0
    with pytest.raises(PromiseRefused, match="only 1350 of 1500 labelled tickets are in scope"):
        decide(tickets, inside=inside, coverage=0.9)


@pytest.mark.parametrize(
    "promise", [{"precision": 0.5}, {"coverage": 0.5}, {"costs": {}, "human": 1}]
)
def test_without_a_ticket_in_scope_nothing_can_be_promised(
    tickets: Simulated, promise: dict[str, object]
) -> None:
    with pytest.raises(PromiseRefused) as caught:
        decide(tickets, inside=np.zeros(1500, dtype=bool), **promise)
    assert str(caught.value) == (
        "task queue: none of 1500 labelled tickets is in scope, and no other is ever auto"
    )


def test_a_suggestion_that_cannot_be_shown_is_refused() -> None:
    blind = simulate(800, seed=9, spread=0.5)
    with pytest.raises(PromiseRefused) as caught:
        decide(blind, coverage=0.5, suggest=0.97)
    message = str(caught.value)
    assert message.startswith(
        "task queue: a precision of 0.97 for suggest at level 0.95 cannot be shown on 800 labelled "
    )
    assert message.endswith("; without suggest a label is shown from 0.5 on")
    with pytest.raises(PromiseRefused, match=r"for suggest at level 0\.95 needs at least 59"):
        decide(blind.at(np.arange(50)), coverage=0.5, suggest=0.95)


def equally_sure(right: int, wrong: int) -> Simulated:
    """Tickets of one confidence that get the first label; the wrong ones are of the others."""
    sure = np.tile([[0.98, 0.01, 0.01]], (right + wrong, 1))
    labels = np.concatenate([np.zeros(right, dtype=np.int64), 1 + np.arange(wrong) % 2])
    return Simulated(sure, sure, labels)


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
