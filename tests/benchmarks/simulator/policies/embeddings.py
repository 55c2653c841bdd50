"""text-embeddings-inference: in order of arrival, as many as fit a budget of tokens."""

from tests.benchmarks.simulator.call import Job
from tests.benchmarks.simulator.machine import Machine
from tests.benchmarks.simulator.policies.line import Line


class Embeddings(Line):
    """The oldest tickets go at once, until one more would exceed `max_batch` or `budget_tokens`.

    The budget counts padded tokens, as its padded backends do.
    """

    name = "text-embeddings-inference"

    def __init__(self, machine: Machine, max_batch: int = 32, budget_tokens: int = 2048) -> None:
        super().__init__(machine)
        self._max_batch = max_batch
        self._budget_tokens = budget_tokens

    def choose(self, _now: float, /) -> list[Job]:
        """The oldest tickets that fit; always at least one."""
        longest, count = 0, 0
        for job in self._line[: self._max_batch]:
            longest = max(longest, job.length)
            if count and longest * (count + 1) > self._budget_tokens:
                break
            count += 1
        return self._line[:count]
