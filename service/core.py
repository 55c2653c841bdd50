"""The state that requests share, gathered in one object that is built once and passed in."""

from dataclasses import dataclass

from service.bundles import Bundles
from service.engine.leftover import Leftover
from service.ledger.ledger import Ledger
from service.logs import Log
from service.metrics import Metrics
from service.promotion import Promotion
from service.readiness import Readiness
from service.recorder import Recorder
from service.reliability.watch import Watch
from service.settings import Settings
from service.shadow.reporting import Reporting
from service.witness import Witness


@dataclass(frozen=True, slots=True)
class Core:
    """The core process: everything that lives longer than a request."""

    settings: Settings
    bundles: Bundles
    metrics: Metrics
    log: Log
    readiness: Readiness
    leftover: Leftover
    ledger: Ledger
    recorder: Recorder
    witness: Witness
    reporting: Reporting
    promotion: Promotion
    reliability: Watch
