"""A step comes in; the learning rate's factor goes out: linear warm-up, then linear decay to
zero.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """start: the first step at which the parameters learn. total: steps of the whole run. All
    count from 0.
    """

    start: int
    total: int
    warmup_share: float

    def factor(self, step: int) -> float:
        """Within [0, 1]; 0 before `start`."""
        if step < self.start:
            return 0.0
        length = max(1, self.total - self.start)
        warmup = max(1, round(length * self.warmup_share))
        done = step - self.start + 1
        if done <= warmup:
            return done / warmup
        return max(0.0, (length - done + 1) / (length - warmup + 1))
