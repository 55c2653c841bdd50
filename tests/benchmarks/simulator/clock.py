"""Seconds that pass only when the simulation says so."""


class SimulatedClock:
    """A clock to hand to the batcher in place of `time.monotonic`."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s
