import pytest

from training.diagnostics.throughput import Meter, Throughput


class Clock:
    """Seconds that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def meter(clock: Clock) -> Meter:
    return Meter(clock)


def step(meter: Meter, clock: Clock, seconds: float, tokens: int, padded_tokens: int) -> float:
    meter.begin()
    clock.now += seconds
    return meter.end(tokens, padded_tokens)


def test_a_step_tells_its_own_seconds(meter: Meter, clock: Clock) -> None:
    assert step(meter, clock, 2.0, 300, 400) == 2.0


def test_the_figures_are_of_all_steps_together(meter: Meter, clock: Clock) -> None:
    step(meter, clock, 2.0, 300, 400)
    step(meter, clock, 6.0, 100, 100)
    assert meter.take() == Throughput(tokens_per_second=50.0, padding_share=pytest.approx(0.2))


def test_what_lies_between_steps_costs_no_throughput(meter: Meter, clock: Clock) -> None:
    step(meter, clock, 1.0, 10, 10)
    clock.now += 1000.0
    step(meter, clock, 1.0, 10, 10)
    assert meter.take() == Throughput(10.0, 0.0)


def test_an_epoch_starts_from_nothing(meter: Meter, clock: Clock) -> None:
    step(meter, clock, 1.0, 10, 20)
    meter.take()
    assert meter.take() is None
    step(meter, clock, 2.0, 10, 10)
    assert meter.take() == Throughput(5.0, 0.0)


def test_a_step_that_never_ended_is_in_no_figure(meter: Meter, clock: Clock) -> None:
    meter.begin()
    clock.now += 50.0
    step(meter, clock, 1.0, 10, 10)
    assert meter.take() == Throughput(10.0, 0.0)


@pytest.mark.parametrize(("tokens", "padded_tokens"), [(5, 4), (-1, 4)])
def test_more_tokens_than_positions_are_refused(
    meter: Meter, tokens: int, padded_tokens: int
) -> None:
    meter.begin()
    with pytest.raises(ValueError, match=f"within 0 and 4, found {tokens}"):
        meter.end(tokens, padded_tokens)
