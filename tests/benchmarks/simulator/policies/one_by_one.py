"""A plain server: the ticket that came first runs alone."""

from tests.benchmarks.simulator.call import Job
from tests.benchmarks.simulator.policies.line import Line


class OneByOne(Line):
    """First come, first served, a ticket a call: FastAPI with onnxruntime in a thread pool."""

    name = "one by one"

    def choose(self, _now: float, /) -> list[Job]:
        """The oldest ticket."""
        return self._line[:1]
