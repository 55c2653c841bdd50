"""An open bundle comes in; who holds it, and whether its batches are reported, is kept here."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from service.bundle import Bundle
from service.engine.answer import BatchReport, DeviceReport
from service.errors import BundleRefused, InferenceFailed


class Reports:
    """Passes the reports of a bundle's batches on while the bundle is the active one.

    moved: hears where the bundle computes now, whether it is the active one or not.
    """

    def __init__(self, listener: Callable[[BatchReport], None] | None = None) -> None:
        self.listener = listener
        self.moved: Callable[[DeviceReport], None] = lambda _: None
        self.wanted = False
        self.replaced = False

    def __call__(self, report: BatchReport) -> None:
        if report.device is not None:
            self.moved(report.device)
        if self.wanted and self.listener is not None:
            # Where a bundle that was replaced computes says nothing of the one that serves.
            self.listener(replace(report, device=None) if self.replaced else report)


@dataclass(slots=True, eq=False)
class Held:
    """A bundle and how many tickets hold it, each by a `with` of its own.

    origin: the directory as it was named; it may be a link, or hold another bundle by now.
    """

    bundle: Bundle
    origin: Path
    reports: Reports
    leases: int = 0
    free: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.free.set()
        self.reports.moved = self._move

    @property
    def active(self) -> bool:
        """Whether it sits in the primary seat."""
        return self.reports.wanted

    @active.setter
    def active(self, value: bool) -> None:
        self.reports.wanted = value

    def __enter__(self) -> Bundle:
        """A ticket begins, one of many at a time."""
        self.leases += 1
        self.free.clear()
        return self.bundle

    def __exit__(self, *_: object) -> None:
        """A ticket has its reply."""
        self.leases -= 1
        if not self.leases:
            self.free.set()

    def _move(self, device: DeviceReport) -> None:
        """From now on the bundle says that it computes there."""
        if (self.bundle.provider, self.bundle.degraded) != (device.provider, device.degraded):
            self.bundle = replace(self.bundle, provider=device.provider, degraded=device.degraded)

    async def close(self, drain_s: float) -> None:
        """Closes the engine when the last lease has ended, or after `drain_s` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(drain_s):
                await self.free.wait()
        await self.bundle.engine.__aexit__(None, None, None)


async def begun(bundle: Bundle, origin: Path, reports: Reports) -> Held:
    """The bundle with its engine at work. Raises BundleRefused where the warm-up fails."""
    held = Held(bundle, origin, reports)
    try:
        await bundle.engine.__aenter__()
    except InferenceFailed as error:
        raise BundleRefused(f"bundle {origin.name} fails in warm-up: {error}") from error
    return held
