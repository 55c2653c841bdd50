"""What the engine gives back: the answer to one ticket, and the report of one batch.

Shapes: C classes of a task.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from service.contract.tokens import Tokens
from service.engine.device import Device

FloatArray = NDArray[np.float32]

Priority = Literal["live", "bulk"]

Released = Literal["emptied", "full", "best"]
"""Why a batch went as it was: it took all that waited; it reached the limit of tickets or tokens;
or a larger one would have been worth less a second.
"""


@dataclass(slots=True)
class Answer:
    """What the model says to one ticket: for each task probabilities of shape (C,), in label order.

    queue_s, infer_s: seconds in the queue, and of the call. batch_tickets, batch_tokens: of the
    batch that it was part of; the tokens include padding. scope: the graph's `scope_score`,
    the larger the stranger the ticket; None where the graph gives none. provider: where it was
    computed. degraded: not where it was meant to be.
    """

    probabilities: Mapping[str, FloatArray]
    queue_s: float
    infer_s: float
    batch_tickets: int
    batch_tokens: int
    scope: float | None = None
    provider: Device = "cpu"
    degraded: bool = False


@dataclass(slots=True)
class DeviceReport:
    """Where an engine computes now, and what has just happened to its devices.

    degraded: at least one of its devices is lost; the CPU stands in for it. retries: batches that
    did not fit into a device's memory and were halved. losses, recoveries: of devices.
    """

    provider: Device
    degraded: bool
    retries: int = 0
    losses: int = 0
    recoveries: int = 0


@dataclass(slots=True)
class BatchReport:
    """What happened to one batch, or to tickets that left the queue without one.

    In the second case `tickets` is 0, and so are the figures of the call.

    tickets: that ran; of these `failed` got an error. real_tokens, padded_tokens: without and with
    padding. infer_s, predicted_s: what the call took, and what the cost model had expected, in
    seconds. expired, abandoned: tickets that were not run, because their deadline passed or their
    caller left. released: why the batch went as it was. wide: it had every core to itself. shared:
    tickets that got the answer of an equal one that was under way already. device: None as long as
    nothing happens to any; of a change it comes at once, without a batch.
    """

    tickets: int = 0
    real_tokens: int = 0
    padded_tokens: int = 0
    infer_s: float = 0.0
    predicted_s: float = 0.0
    expired: int = 0
    abandoned: int = 0
    failed: int = 0
    released: Released | None = None
    wide: bool = False
    shared: int = 0
    device: DeviceReport | None = None


class Answering(Protocol):
    """What routing needs of an engine; `service.engine.engine.Engine` is the real one."""

    async def __aenter__(self) -> Self:
        """Starts it."""
        ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Answers what is queued, then refuses."""
        ...

    @property
    def depth(self) -> int:
        """How many tickets wait now."""
        ...

    @property
    def alive(self) -> bool:
        """Whether all of it is at work."""
        ...

    @property
    def predicted_wait_s(self) -> float:
        """How long a ticket that comes now would wait, in seconds."""
        ...

    async def submit(self, tokens: Tokens, deadline: float, priority: Priority = "live") -> Answer:
        """Probabilities of one ticket. deadline: in `time.monotonic()` seconds.

        Raises Overloaded, DeadlineExceeded, Closing, InferenceFailed.
        """
        ...
