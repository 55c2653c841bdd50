"""A policy, a machine and ticket lengths come in; what each scenario says about them goes out."""

from collections.abc import Callable
from dataclasses import dataclass

from service.engine.batcher import Limits
from service.engine.cost import CostModel
from tests.benchmarks.simulator.arrivals import Arrivals, ClosedLoop, Mixed, OpenLoop
from tests.benchmarks.simulator.clock import SimulatedClock
from tests.benchmarks.simulator.lengths import Lengths
from tests.benchmarks.simulator.machine import Machine
from tests.benchmarks.simulator.policies.embeddings import Embeddings
from tests.benchmarks.simulator.policies.harbor import Harbor
from tests.benchmarks.simulator.policies.infinity import Infinity
from tests.benchmarks.simulator.policies.one_by_one import OneByOne
from tests.benchmarks.simulator.policies.policy import Policy
from tests.benchmarks.simulator.policies.triton import Triton
from tests.benchmarks.simulator.policies.window import Window
from tests.benchmarks.simulator.results import Results
from tests.benchmarks.simulator.simulation import Simulation

Maker = Callable[[Machine, SimulatedClock], Policy]

_WARM_UP = ((1, 8), (1, 64), (2, 32), (4, 16), (8, 64), (4, 128), (1, 256), (16, 64), (32, 64))


def harbor(machine: Machine, clock: SimulatedClock) -> Policy:
    """As it is after its warm-up, and with a budget that binds it no more than the others."""
    cost = CostModel()
    for batch, length in _WARM_UP * 3:
        cost.update(batch, length, machine.seconds(batch, length))
    return Harbor(machine, clock, Limits(budget_tokens=8192, max_queue=100_000), cost)


POLICIES: dict[str, Maker] = {
    "harbor": harbor,
    "one by one": lambda machine, _: OneByOne(machine),
    "triton padded": lambda machine, _: Triton(machine),
    "triton equal shapes": lambda machine, _: Triton(machine, padded=False),
    "text-embeddings-inference": lambda machine, _: Embeddings(machine),
    "infinity": lambda machine, _: Infinity(machine),
    "window 8 / 10 ms": lambda machine, _: Window(machine),
    "window 32 / 5 ms": lambda machine, _: Window(machine, 32, 0.005),
}


@dataclass(frozen=True, slots=True)
class Bench:
    """One policy on one machine, with the lengths of the tickets that come."""

    maker: Maker
    machine: Machine
    lengths: Lengths

    def closed(self, clients: int) -> Results:
        """So many clients without a pause."""
        return self.run(ClosedLoop(self.lengths, clients))

    def open(self, per_s: float, seed: int = 7) -> Results:
        """Poisson arrivals."""
        return self.run(OpenLoop(self.lengths, per_s, seed))

    def flood(self, *, flooded: bool, per_s: float = 5.0, clients: int = 32) -> Results:
        """Short tickets now and then; where `flooded`, clients without a pause send long ones."""
        short = sorted(self.lengths)[: len(self.lengths) // 2]
        few = OpenLoop([short[number * 7 % len(short)] for number in range(300)], per_s, kind="few")
        if not flooded:
            return self.run(few)
        longest = [max(self.lengths)] * 20_000
        return self.run(Mixed(few, ClosedLoop(longest, clients, until_s=60.0)))

    def run(self, arrivals: Arrivals) -> Results:
        """What a policy that starts anew makes of these arrivals."""
        clock = SimulatedClock()
        return Simulation(self.machine, arrivals, self.maker(self.machine, clock), clock).run()


def one_by_one_per_s(machine: Machine, lengths: Lengths) -> float:
    """Tickets a second of every core, one ticket a call: an arrangement without any policy."""
    mean_s = sum(machine.seconds(1, length) for length in lengths) / len(lengths)
    return machine.workers / mean_s
