"""Settings come in; the parts of an HTTP front go out: nothing that outlives a request."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from service.bundle import Bundle
from service.ledger.records import Decision
from service.link.line import Line
from service.logs import Log
from service.metrics import Metrics, Serving
from service.readiness import Readiness
from service.recorder import Recorder
from service.settings import Settings
from service.shadow.documents import Standing
from service.shadow.errand import Asked


@dataclass(frozen=True, slots=True)
class Front:
    """A `service.process.Process` whose engine, witness and bundle are the core's."""

    settings: Settings
    bundles: Line
    metrics: Metrics
    log: Log
    readiness: Readiness
    leftover: "Unwatched"
    recorder: Recorder
    witness: "Messenger"


class Unwatched:
    """The core itself sees how many tickets are under way."""

    def busy(self) -> AbstractContextManager[None]:
        """Nothing follows from it."""
        return nullcontext()


class Messenger:
    """Brings decisions to the core's witness, where it wants them."""

    def __init__(self, settings: Settings, line: Line) -> None:
        self._wanted = settings.ledger != "off" or settings.shadow is not None
        self._line = line

    async def see(
        self, decision: Decision, asked: Asked | None, wait_s: float | None
    ) -> Standing | None:
        """As `Witness.see`; raises NotReady where the core is lost meanwhile."""
        return await self._line.see(decision, asked, wait_s) if self._wanted else None


def create_front(settings: Settings, name: str, core: Path, log: Log) -> Front:
    """The parts, not yet connected. name: of this front. core: the path of its socket."""
    metrics = Metrics()
    line = Line(name, core, metrics.counts)
    line.listen(lambda bundle: metrics.serving(_serving(bundle)))
    parts = Recorder(settings), Messenger(settings, line)
    return Front(settings, line, metrics, log, Readiness(), Unwatched(), *parts)


def _serving(bundle: Bundle) -> Serving:
    version = bundle.manifest.version
    return Serving(version, bundle.digest, bundle.provider, bundle.degraded, bundle.tasks)
