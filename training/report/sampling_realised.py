"""The record of a run comes in; what its first steps drew, beside what was stated, goes out."""

from dataclasses import dataclass

from training.report.lines import Events

CLOSE = 0.03
"""A realised share further than this from the stated one is pointed out."""


@dataclass(frozen=True)
class Drawn:
    """Shares of the tickets: that were to be drawn for a task, that were, and that carry its label,
    for whichever task they were drawn.
    """

    task: str
    stated: float
    drawn: float
    labelled: float

    @property
    def off(self) -> bool:
        """Whether the realised share is not the stated one."""
        return abs(self.drawn - self.stated) > CLOSE


@dataclass(frozen=True)
class Sampling:
    """Of the first `steps` steps."""

    steps: int
    tasks: tuple[Drawn, ...]


def sampling(events: Events) -> Sampling | None:
    """None where the record does not say."""
    told = [event for event in events if event["event"] == "sampling"]
    if not told:
        return None
    last = told[-1]
    return Sampling(
        int(last["steps"]),
        tuple(
            Drawn(task, stated, last["drawn"].get(task, 0.0), last["labelled"].get(task, 0.0))
            for task, stated in last["stated"].items()
        ),
    )
