"""A call's shape comes in; how long it takes alone, and how calls share a machine, go out."""

from dataclasses import dataclass, replace

from tests.benchmarks.simulator.call import Call


@dataclass(frozen=True, slots=True)
class Machine:
    """A device with `cores` equal cores; more calls than cores share them evenly.

    A call of B tickets padded to L tokens takes, alone on one core,
    `fixed_s + token_s * B*L + pair_s * B*L^2 + square_s * (B*L)^2` seconds.

    workers: general calls that run side by side. express: one more, for short tickets, is allowed.
    wide_speed: of a call on all cores at once, against one core; 1 where there is no such call.
    """

    name: str
    fixed_s: float
    token_s: float
    pair_s: float
    square_s: float
    cores: int
    workers: int
    express: bool
    wide_speed: float

    def seconds(self, batch: int, length: int) -> float:
        """Of a call that has one core to itself."""
        tokens = batch * length
        return (
            self.fixed_s
            + self.token_s * tokens
            + self.pair_s * tokens * length
            + self.square_s * tokens**2
        )

    def speed(self, call: Call, calls: int) -> float:
        """Work that one of `calls` calls does in a second of the clock."""
        if call.wide:
            return self.wide_speed * self.cores / (self.cores + calls - 1)
        return min(1.0, self.cores / calls)

    def scaled(self, name: str, factor: float) -> "Machine":
        """The same machine with every cost multiplied."""
        return replace(
            self,
            name=name,
            fixed_s=self.fixed_s * factor,
            token_s=self.token_s * factor,
            pair_s=self.pair_s * factor,
            square_s=self.square_s * factor,
        )


CPU = Machine("cpu", 1.2e-3, 2.0e-4, 2e-7, 6e-8, 2, 2, express=True, wide_speed=1.7)
"""Two cores; six layers of MiniLM in fp32, fitted to fifteen shapes of 8 to 1,024 tokens and
scaled to the tickets a second of a quiet machine at batches of 1, 4, 8 and 32.
"""

CPU_INT8 = CPU.scaled("cpu int8", 0.45)

GPU = Machine("gpu", 2e-3, 2e-6, 2e-9, 0.0, 1, 1, express=False, wide_speed=1.0)
"""One stream; a launch costs as much as a thousand tokens."""

MACHINES = {machine.name: machine for machine in (CPU, CPU_INT8, GPU)}
