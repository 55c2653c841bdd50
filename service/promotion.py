"""An order to promote or roll back comes in; who sits where from then on goes out, recorded.

The challenger of a pair wants the primary seat, the incumbent had it. To promote seats the
challenger, to roll back the incumbent; where that changes who answers, the two bundles change
places and the legacy's role turns round.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os.path import abspath
from types import TracebackType
from typing import Literal, Self

from service.bundle import Bundle
from service.bundles import Bundles
from service.errors import Impossible, NotProven, ServiceError, UnknownLegacy
from service.ledger.ledger import Ledger
from service.ledger.records import Role, Seating
from service.logs import Log
from service.seats import SeatRecord, exchanges
from service.settings import Settings
from service.shadow.config import ShadowConfig
from service.shadow.findings.document import Report
from service.shadow.legacy import Legacy
from service.shadow.opening import sides
from service.shadow.reporting import Reporting

Action = Literal["promote", "rollback"]

_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody wants. legacy: None where only one runs. force: whatever the evidence says."""

    action: Action
    legacy: str | None
    by: str
    reason: str = ""
    force: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it. recorded: False where a roll-back went ahead although the ledger is down.

    verdict: what the evidence said at that moment; None where it could not be read.
    """

    bundle: Bundle
    legacy: str
    swapped: bool
    recorded: bool
    verdict: str | None


class Promotion:
    """Who sits in the primary seat, and by which decision, while its `async with` is open."""

    def __init__(
        self,
        settings: Settings,
        config: ShadowConfig | None,
        bundles: Bundles,
        ledger: Ledger,
        reporting: Reporting,
        log: Log,
    ) -> None:
        self._reporting = reporting
        self._primary = settings.bundle
        self._configured = {} if config is None else {one.name: one for one in config.legacies}
        self._roles: dict[str, Role] = {one.name: one.role for one in self._configured.values()}
        self._bundles = bundles
        self._ledger = ledger
        self._log = log
        self._record = SeatRecord(ledger, log, self._restore)

    async def __aenter__(self) -> Self:
        """Seats the bundles as the recorded decisions on this very configuration left them.

        Where the ledger cannot be read they sit as configured, and change places once it can.
        """
        if self._configured:
            await self._record.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Decides nothing more."""
        await self._record.__aexit__(kind, error, traceback)

    def role(self, legacy: str) -> Role:
        """The role of what runs in shadow under this name now."""
        return self._roles[legacy]

    async def obey(self, order: Order, legacies: Mapping[str, Legacy]) -> Outcome:
        """Promotes or rolls back.

        Raises UnknownLegacy; Impossible where the seat would go to a remote system, or to a
        challenger that the policy in force does not fit (of an incumbent that is seated again
        nothing is `auto` then where it does not fit); NotProven where the verdict does not carry a
        promotion that is not forced; LedgerUnavailable where a promotion could not be recorded.
        Nothing has changed then.
        """
        name = self._named(order.legacy)
        self._rises(order, name)
        # Outside of the turn: who rolls back does not wait for another one's report.
        report = await self._report(order, name)
        async with self._record.turn(), self._bundles.unchanged():
            return await self._seat(order, name, report, legacies)

    async def _seat(
        self, order: Order, name: str, report: Report | None, legacies: Mapping[str, Legacy]
    ) -> Outcome:
        rises = self._rises(order, name)
        if rises and order.action == "promote":
            self._bundles.check_fit(name)
        pair = sides(self._bundles.active.digest, legacies[name])
        report = _evidence(order, name, report, pair)
        seating = self._seating(order, name, rises, report, legacies)
        recorded = await self._record.add(seating, must=order.action == "promote")
        if rises:
            self._exchange(name)
            await self._bundles.settled()
        verdict = None if report is None else report.overall.verdict
        self._log.warning(
            order.action, legacy=name, swapped=rises, by=order.by, forced=order.force,
            verdict=verdict, recorded=recorded,
        )  # fmt: skip
        return Outcome(self._bundles.active, name, rises, recorded, verdict)

    def _rises(self, order: Order, name: str) -> bool:
        """Whether what sits in the shadow is to answer. Raises Impossible."""
        rises = (self._roles[name] == "challenger") == (order.action == "promote")
        if rises and self._configured[name].bundle is None:
            raise Impossible("a remote system cannot take the primary seat: route to it instead")
        return rises

    async def _report(self, order: Order, name: str) -> Report | None:
        """The evidence; what goes ahead whatever it says waits for it a moment only."""
        optional = order.action == "rollback" or order.force
        try:
            async with asyncio.timeout(_PATIENCE_S if optional else None):
                await self._ledger.flush()
                return await self._reporting.report(name)
        except UnknownLegacy:
            return None
        except (ServiceError, TimeoutError) as error:
            if not optional:
                raise
            self._log.warning("no evidence in time", legacy=name, reason=str(error))
            return None

    async def _restore(self, newest: Sequence[Seating]) -> None:
        async with self._bundles.unchanged():
            for seating in exchanges(filter(self._is_ours, reversed(newest))):
                self._exchange(seating.legacy)
                self._log.info("seat restored", legacy=seating.legacy, by=seating.by)

    def _seating(
        self,
        order: Order,
        name: str,
        rises: bool,
        report: Report | None,
        legacies: Mapping[str, Legacy],
    ) -> Seating:
        digests = (self._bundles.active.digest, legacies[name].identity)
        primary, shadow = reversed(digests) if rises else digests
        return Seating(
            at=time.time(),
            action=order.action,
            legacy=name,
            primary=primary,
            shadow=shadow,
            configured_primary=abspath(self._primary),
            configured_shadow=self._path(name),
            swapped=rises,
            by=order.by,
            reason=order.reason,
            forced=order.force,
            evidence="null" if report is None else report.overall.model_dump_json(),
        )

    def _exchange(self, name: str) -> None:
        self._bundles.exchange(name)
        self._roles[name] = "incumbent" if self._roles[name] == "challenger" else "challenger"

    def _is_ours(self, seating: Seating) -> bool:
        name = seating.legacy
        return (
            name in self._configured
            and self._configured[name].bundle is not None
            and seating.configured_primary == abspath(self._primary)
            and seating.configured_shadow == self._path(name)
        )

    def _path(self, name: str) -> str:
        directory = self._configured[name].bundle
        return "" if directory is None else abspath(directory)

    def _named(self, name: str | None) -> str:
        if name is None and len(self._configured) == 1:
            return next(iter(self._configured))
        if name is None or name not in self._configured:
            known = ", ".join(self._configured) or "none"
            raise UnknownLegacy(f"name one of the legacies that run: {known}")
        return name


def _evidence(
    order: Order, name: str, report: Report | None, pair: tuple[str, str]
) -> Report | None:
    """The report, if it is on the two models that sit there now. Raises NotProven."""
    if report is not None and (report.challenger, report.incumbent) != pair:
        report = None  # Of two other models: what was proven of them proves nothing here.
    proven = report is not None and report.overall.verdict == "promote"
    if order.action == "promote" and not (proven or order.force):
        reasons = "; ".join(report.overall.reasons) if report else "nothing was compared yet"
        raise NotProven(f"the verdict on {name} is not to promote: {reasons}")
    return report
