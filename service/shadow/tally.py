"""Whether two labels differed comes in, answer by answer; the window's disagreement goes out."""

from collections import deque
from collections.abc import Iterable

from service.shadow.documents import Disagreement
from service.statistics.intervals import wilson


class Tally:
    """The running disagreement of one pair of models on one task, over a window of answers."""

    def __init__(self, window: int) -> None:
        """window: answers that count; beyond them the oldest makes room for each new one."""
        self._window = window
        self._flags: deque[bool] = deque()
        self._differing = 0

    def add(self, differs: bool) -> None:
        """One more compared answer. Takes constant time."""
        self._flags.append(differs)
        self._differing += differs
        if len(self._flags) > self._window:
            self._differing -= self._flags.popleft()

    def seed(self, flags: Iterable[bool]) -> None:
        """Answers from before those that are in already; of all, the latest `window` count.

        flags: whether each answer differed, oldest first.
        """
        later = tuple(self._flags)
        self.reset()
        for differs in (*flags, *later):
            self.add(differs)

    def reset(self) -> None:
        """Starts anew, for another pair of models."""
        self._flags.clear()
        self._differing = 0

    def disagreement(self) -> Disagreement:
        """Rate and 95 % Wilson interval over the window; the rate is None before any answer."""
        n = len(self._flags)
        interval = wilson(self._differing, n)
        rate = self._differing / n if n else None
        return Disagreement(rate=rate, n=n, low=interval.low, high=interval.high)
