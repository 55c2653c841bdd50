"""What routing a ticket takes of the process that does it: of the core, or of an HTTP front."""

from contextlib import AbstractContextManager
from typing import Protocol

from service.bundle import Bundle
from service.ledger.records import Decision
from service.logs import Log
from service.metrics import Metrics
from service.readiness import Readiness
from service.recorder import Recorder
from service.settings import Settings
from service.shadow.documents import Standing
from service.shadow.errand import Asked


class Leases(Protocol):
    """Where the bundle that answers is to be had."""

    def lease(self) -> AbstractContextManager[Bundle]:
        """The active bundle, open until the lease ends. Raises NotReady where there is none."""
        ...


class Occupied(Protocol):
    """Who wants to know how many tickets of callers are under way."""

    def busy(self) -> AbstractContextManager[None]:
        """While it is open, one ticket of a caller is under way."""
        ...


class Seeing(Protocol):
    """Who sees every routed ticket; never raises but for a process that is gone."""

    async def see(
        self, decision: Decision, asked: Asked | None, wait_s: float | None
    ) -> Standing | None:
        """The running disagreement of each legacy; None where none runs."""
        ...


class Process(Protocol):
    """`service.core.Core` and `service.front.front.Front` are the two."""

    @property
    def settings(self) -> Settings:
        """As the operator gave them."""
        ...

    @property
    def bundles(self) -> Leases:
        """The bundle that answers."""
        ...

    @property
    def metrics(self) -> Metrics:
        """Of this process."""
        ...

    @property
    def log(self) -> Log:
        """Of this process."""
        ...

    @property
    def readiness(self) -> Readiness:
        """Whether this process takes tickets."""
        ...

    @property
    def leftover(self) -> Occupied:
        """Hears of every ticket under way."""
        ...

    @property
    def recorder(self) -> Recorder:
        """Makes the record of each decision."""
        ...

    @property
    def witness(self) -> Seeing:
        """Sees each decision."""
        ...
