"""An order to promote or roll back comes in; who sits where from then on goes out, recorded.

The challenger of a pair wants the primary seat, the incumbent had it. To promote seats the
challenger, to roll back the incumbent; where that changes who answers, the two bundles change
places and the legacy's role turns round.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from os.path import abspath
from typing import Literal

from service.bundles import Bundle, Bundles
from service.errors import Impossible, LedgerUnavailable, NotProven, UnknownLegacy
from service.ledger.ledger import Ledger
from service.ledger.records import Role, Seating
from service.logs import Log
from service.settings import Settings
from service.shadow.config import ShadowConfig
from service.shadow.findings.document import Report
from service.shadow.legacy import Legacy
from service.shadow.opening import sides
from service.shadow.reporting import Reporting

Action = Literal["promote", "rollback"]


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
    """Who sits in the primary seat, and by which decision. One order at a time."""

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
        self._turn = asyncio.Lock()

    def role(self, legacy: str) -> Role:
        """The role of what runs in shadow under this name now."""
        return self._roles[legacy]

    async def restore(self) -> None:
        """Seats the bundles as the recorded decisions on this very configuration left them.

        Where the ledger cannot be read the configuration's own seats stay, and the log says so.
        """
        if not self._configured or not self._ledger.on:
            return
        try:
            seatings = await self._ledger.read(lambda store: store.seatings(1000))
        except LedgerUnavailable as error:
            self._log.error("seats unknown", reason=str(error), bundle="as configured")
            return
        for seating in reversed(seatings):
            if seating.swapped and self._is_ours(seating):
                self._exchange(seating.legacy)
                self._log.info("seat restored", legacy=seating.legacy, by=seating.by)

    async def obey(self, order: Order, legacies: Mapping[str, Legacy]) -> Outcome:
        """Promotes or rolls back.

        Raises UnknownLegacy; Impossible where the seat would go to a remote system; NotProven where
        the verdict does not carry a promotion that is not forced; LedgerUnavailable where a
        promotion could not be recorded. Nothing has changed then.
        """
        async with self._turn:
            name = self._named(order.legacy)
            rises = (self._roles[name] == "challenger") == (order.action == "promote")
            if rises and self._configured[name].bundle is None:
                raise Impossible(
                    "a remote system cannot take the primary seat: route to it instead"
                )
            report = await self._evidence(
                order, name, sides(self._bundles.active.digest, legacies[name])
            )
            seating = self._seating(order, name, rises, report, legacies)
            recorded = await self._record(order, seating)
            if rises:
                self._exchange(name)
            verdict = None if report is None else report.overall.verdict
            self._log.warning(
                order.action, legacy=name, swapped=rises, by=order.by, forced=order.force,
                verdict=verdict, recorded=recorded,
            )  # fmt: skip
            return Outcome(self._bundles.active, name, rises, recorded, verdict)

    async def _evidence(self, order: Order, name: str, pair: tuple[str, str]) -> Report | None:
        """The report on the two models that sit there now; None where there is none."""
        report = await self._report(order, name)
        if report is not None and (report.challenger, report.incumbent) != pair:
            report = None  # Of two other models: what was proven of them proves nothing here.
        proven = report is not None and report.overall.verdict == "promote"
        if order.action == "promote" and not (proven or order.force):
            reasons = "; ".join(report.overall.reasons) if report else "nothing was compared yet"
            raise NotProven(f"the verdict on {name} is not to promote: {reasons}")
        return report

    async def _report(self, order: Order, name: str) -> Report | None:
        try:
            await self._ledger.flush()
            return await self._reporting.report(name)
        except UnknownLegacy:
            return None
        except LedgerUnavailable:
            if order.action == "promote":
                raise
            return None

    async def _record(self, order: Order, seating: Seating) -> bool:
        try:
            await self._ledger.read(lambda store: store.seat(seating))
        except LedgerUnavailable:
            if order.action == "promote":
                raise
            return False
        return True

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
