"""Bundle directories come in; proven bundles go out: opened, leased, swapped, rolled back."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from service.engine.answer import BatchReport
from service.errors import BundleRefused, Closing, InferenceFailed, NotReady
from service.opening import Bundle, open_bundle
from service.settings import Settings

__all__ = ["Bundle", "Bundles", "open_bundle"]

logger = logging.getLogger(__name__)


def _ignore(_: object) -> None:
    """Where nobody listens."""


class Bundles:
    """The active bundle; a second one is loaded beside it and takes its place between two tickets.

    A ticket holds a lease on one bundle from its first token to its reply, so that no reply mixes
    two; a bundle that was replaced closes when its last lease has ended. Everything here happens on
    one event loop, loading in a thread.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        on_batch: Callable[[BatchReport], None] = _ignore,
        on_swap: Callable[[Bundle], None] = _ignore,
    ) -> None:
        """on_swap: called with each bundle that becomes active, the first included."""
        self._settings = settings
        self._on_batch = on_batch
        self._on_swap = on_swap
        self._active: _Held | None = None
        self._previous: Path | None = None
        self._closing = False
        self._swapping = asyncio.Lock()
        self._retiring: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Opens `settings.bundle`. Raises BundleRefused, ProviderMissing."""
        self._activate(await self._load(self._settings.bundle))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Waits for a swap that is under way, then for every lease, and closes every engine."""
        self._closing = True
        async with self._swapping:
            held, self._active = self._active, None
            if held is not None:
                self._retire(held)
        await asyncio.gather(*self._retiring)

    @property
    def active(self) -> Bundle:
        """The bundle that answers new tickets. Raises NotReady where there is none."""
        return self._held().bundle

    @contextlib.contextmanager
    def lease(self) -> Iterator[Bundle]:
        """The active bundle, open until the lease ends. Raises NotReady where there is none."""
        held = self._held()
        held.lend()
        try:
            yield held.bundle
        finally:
            held.give_back()

    async def swap(self, directory: Path) -> Bundle:
        """Opens a bundle beside the active one, then replaces it; concurrent calls take turns.

        Raises BundleRefused or ProviderMissing, and then the active bundle stays; Closing once the
        service closes.
        """
        async with self._swapping:
            return await self._replace(directory)

    async def rollback(self) -> Bundle:
        """Opens and proves the bundle that was active before this one. Raises as `swap` does."""
        async with self._swapping:
            if self._previous is None:
                raise BundleRefused("there is no earlier bundle to roll back to")
            return await self._replace(self._previous)

    async def _replace(self, directory: Path) -> Bundle:
        if self._closing:
            raise Closing("the service is closing and loads no more bundles")
        bundle = await self._load(directory)
        old, self._active = self._active, None
        if old is not None:
            if old.bundle.digest != bundle.digest:
                self._previous = old.bundle.directory
            self._retire(old)
        self._activate(bundle)
        return bundle

    async def _load(self, directory: Path) -> Bundle:
        bundle = await asyncio.to_thread(open_bundle, directory, self._settings, self._on_batch)
        try:
            await bundle.engine.__aenter__()
        except InferenceFailed as error:
            raise BundleRefused(f"bundle {directory.name} fails in warm-up: {error}") from error
        return bundle

    def _activate(self, bundle: Bundle) -> None:
        self._active = _Held(bundle)
        logger.info("bundle %s (%s) is active", bundle.manifest.version, bundle.digest)
        self._on_swap(bundle)

    def _retire(self, held: "_Held") -> None:
        task = asyncio.create_task(held.close(self._settings.drain_s))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    def _held(self) -> "_Held":
        if self._active is None:
            raise NotReady("no bundle is loaded")
        return self._active


@dataclass(slots=True, eq=False)
class _Held:
    """A bundle and how many tickets hold it."""

    bundle: Bundle
    leases: int = 0
    free: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.free.set()

    def lend(self) -> None:
        self.leases += 1
        self.free.clear()

    def give_back(self) -> None:
        self.leases -= 1
        if not self.leases:
            self.free.set()

    async def close(self, drain_s: float) -> None:
        """Closes the engine when the last lease has ended, or after `drain_s` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(drain_s):
                await self.free.wait()
        await self.bundle.engine.__aexit__(None, None, None)
