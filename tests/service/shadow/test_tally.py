"""The window's disagreement is that of the latest answers, however they came in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from service.metrics import Metrics
from service.shadow.disagreements import Disagreements
from service.shadow.documents import Disagreement
from service.shadow.latency import Latencies
from service.shadow.noise import Noise
from service.shadow.tally import Tally

FLAGS = st.lists(st.booleans(), max_size=60)


def _expected(flags: list[bool], window: int) -> tuple[int, float | None]:
    latest = flags[-window:]
    return len(latest), sum(latest) / len(latest) if latest else None


def _found(disagreement: Disagreement) -> tuple[int, float | None]:
    return disagreement.n, disagreement.rate


@given(flags=FLAGS, window=st.integers(1, 20))
def test_only_the_latest_answers_count(flags: list[bool], window: int) -> None:
    tally = Tally(window)
    for differs in flags:
        tally.add(differs)
    assert _found(tally.disagreement()) == _expected(flags, window)


@given(before=FLAGS, live=FLAGS, window=st.integers(1, 20))
def test_answers_of_before_come_before_those_that_are_in(
    before: list[bool], live: list[bool], window: int
) -> None:
    tally = Tally(window)
    for differs in live:
        tally.add(differs)
    tally.seed(before)
    assert _found(tally.disagreement()) == _expected(before + live, window)


@given(flags=st.lists(st.booleans(), min_size=1, max_size=60))
def test_the_interval_is_wilsons(flags: list[bool]) -> None:
    tally = Tally(100)
    tally.seed(flags)
    found = tally.disagreement()
    low, high = proportion_confint(sum(flags), len(flags), method="wilson")
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-9)


def test_a_pair_of_models_has_its_own_disagreement() -> None:
    metrics = Metrics()
    kept = Disagreements("old", 10, metrics.shadow)
    kept.turn(("a", "old"))
    kept.add(("a", "old"), "queue", differs=True)
    before = kept.task("queue")
    kept.turn(("a", "old"))
    assert kept.task("queue") is before
    kept.turn(("b", "old"))
    assert kept.task("queue").disagreement.n == 0
    kept.add(("a", "old"), "queue", differs=True)
    assert kept.task("queue").disagreement.n == 0
    labels = {"legacy": "old", "task": "queue"}
    assert metrics.registry.get_sample_value("harbor_shadow_window_compared", labels) == 0


Answers = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from("xyz"), st.sampled_from(["q", "p"])),
    unique_by=lambda answer: answer[:2],
)


@given(answers=Answers)
def test_the_noise_floor_is_the_disagreement_of_every_two_legacies_on_the_same_tickets(
    answers: list[tuple[int, str, str]],
) -> None:
    noise = Noise(1000, 1000, Metrics().shadow)
    for ticket, legacy, label in answers:
        noise.add(str(ticket), "queue", legacy, "sha256:1", label)
    said = {(ticket, legacy): label for ticket, legacy, label in answers}
    expected = {}
    for one, other in (("x", "y"), ("x", "z"), ("y", "z")):
        both = [n for n in range(10) if (n, one) in said and (n, other) in said]
        if both:
            differing = sum(said[n, one] != said[n, other] for n in both)
            expected[one, other] = (len(both), differing / len(both))
    found = {(floor.one, floor.other): _found(floor.disagreement) for floor in noise.floors()}
    assert found == expected


def test_the_noise_floor_remembers_a_bounded_number_of_tickets() -> None:
    noise = Noise(1000, 10, Metrics().shadow)
    for number in range(500):
        noise.add(str(number), "queue", "one", "a", "payments")
    assert len(noise._halves["queue"]) == 10
    noise.add("0", "queue", "two", "b", "payments")
    noise.add("499", "queue", "two", "b", "payments")
    assert [floor.disagreement.n for floor in noise.floors()] == [1]


def test_another_model_behind_a_name_starts_the_noise_floor_anew() -> None:
    noise = Noise(1000, 10, Metrics().shadow)
    for number, identity in enumerate(["a", "a", "b"]):
        noise.add(str(number), "queue", "one", identity, "payments")
        noise.add(str(number), "queue", "two", "c", "platform")
    assert [floor.disagreement.n for floor in noise.floors()] == [1]


def test_the_latency_is_that_of_the_latest_thousand_answers() -> None:
    latencies = Latencies()
    assert latencies.document().p50_ms is None
    for second in [60.0] * 500 + [0.001] * 980 + [1.0] * 20:
        latencies.add(second)
    found = latencies.document()
    assert (found.n, found.p50_ms, found.p99_ms) == (1000, 1.0, 1000.0)
