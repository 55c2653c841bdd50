"""What a run tells whoever watches it; the command line draws lines and bars from it."""

from collections.abc import Callable
from dataclasses import dataclass

from training.evaluate import Measures


@dataclass(frozen=True)
class Listener:
    """say: one line. progress: a name, how much of it is done, and how much there is.

    step: the step, counted from 0, and each task's loss. epoch: the epoch, counted from 0, the
    validation measures, and the metric that early stopping watches.
    """

    say: Callable[[str], None]
    progress: Callable[[str, int, int], None]
    step: Callable[[int, dict[str, float]], None]
    epoch: Callable[[int, dict[str, Measures], float], None]
