"""How long a run is, in steps."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """Steps and epochs, all counted from 0."""

    steps_per_epoch: int
    epochs: int
    frozen_epochs: int

    @property
    def total(self) -> int:
        """Steps of the whole run."""
        return self.steps_per_epoch * self.epochs

    @property
    def frozen(self) -> int:
        """Steps in which the encoder does not learn."""
        return self.steps_per_epoch * self.frozen_epochs

    def rests(self, step: int) -> bool:
        """Whether the encoder is frozen at a step."""
        return step < self.frozen

    def epoch(self, step: int) -> int:
        """The epoch that a step belongs to."""
        return step // self.steps_per_epoch

    def ends_epoch(self, step: int) -> bool:
        """Whether a step is the last of its epoch."""
        return (step + 1) % self.steps_per_epoch == 0
