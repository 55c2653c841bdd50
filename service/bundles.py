"""Bundle directories come in; proven bundles go out: opened, leased, swapped, rolled back.

One sits in the primary seat and answers; others may sit in a shadow's seat each, by its name.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Self

from service.bundle import Bundle
from service.early import Early
from service.engine.answer import BatchReport
from service.errors import (
    BundleRefused,
    Closing,
    Impossible,
    NotReady,
    UnknownLegacy,
)
from service.held import Held, Reports, begun
from service.opening import open_bundle, under
from service.settings import Settings

logger = logging.getLogger(__name__)


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
        shadows: Mapping[str, Path] | None = None,
        on_batch: Callable[[BatchReport], None] = lambda _: None,
        early: Early | None = None,
    ) -> None:
        """shadows: the directories of the bundles that run in shadow, by name.

        on_batch: hears of the active bundle's batches. early: `settings.bundle`, on its way.
        """
        self._settings = settings
        self._early = early
        self._configured = dict(shadows or {})
        self._on_batch = on_batch
        self._listeners: list[Callable[[Bundle], None]] = []
        self._settlers: list[Callable[[], Awaitable[None]]] = []
        self._active: Held | None = None
        self._shadows: dict[str, Held] = {}
        self._previous: Path | None = None
        self._closing = False
        self._swapping = asyncio.Lock()
        self._retiring: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Opens `settings.bundle`, then the shadows' bundles. Raises BundleRefused,
        ProviderMissing.
        """
        try:
            self._activate(await self._first())
            for name, directory in self._configured.items():
                self._shadows[name] = await self._load(directory, in_shadow=True)
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
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
            for open_one in (held, *self._shadows.values()):
                if open_one is not None:
                    self._retire(open_one)
            self._shadows.clear()
        await asyncio.gather(*self._retiring)

    def listen(self, listener: Callable[[Bundle], None]) -> None:
        """Calls `listener` with each bundle that becomes active, the first included."""
        self._listeners.append(listener)

    def settle(self, settler: Callable[[], Awaitable[None]]) -> None:
        """Has `settled` wait for `settler`, which waits for those who ask from elsewhere."""
        self._settlers.append(settler)

    async def settled(self) -> None:
        """Returns once whoever asks next is answered by the bundle that is active now."""
        for settler in self._settlers:
            await settler()

    @property
    def active(self) -> Bundle:
        """The bundle that answers new tickets. Raises NotReady where there is none."""
        return self._held().bundle

    def lease(self) -> AbstractContextManager[Bundle]:
        """The active bundle, open until the lease ends. Raises NotReady where there is none."""
        return self._held()

    @property
    def open(self) -> list[Bundle]:
        """The active bundle first, then those in shadow. Raises NotReady."""
        return [self.active, *(held.bundle for held in self._shadows.values())]

    def shadow(self, name: str) -> Bundle:
        """The bundle in a shadow's seat. Raises UnknownLegacy."""
        return self._shadow(name).bundle

    def lease_shadow(self, name: str) -> AbstractContextManager[Bundle]:
        """The bundle in a shadow's seat, open until the lease ends. Raises UnknownLegacy."""
        return self._shadow(name)

    @contextlib.asynccontextmanager
    async def unchanged(self) -> AsyncIterator[None]:
        """Waits for a swap that is under way; none begins before the block ends."""
        async with self._swapping:
            yield

    def check_fit(self, name: str) -> None:
        """Raises Impossible where the policy in force does not fit the bundle in a shadow's seat,
        UnknownLegacy, NotReady.
        """
        try:
            under(self.shadow(name), self.active.policy)
        except BundleRefused as error:
            raise Impossible(str(error)) from None

    def exchange(self, name: str) -> Bundle:
        """The active bundle and the one in a shadow's seat change places, between two tickets.

        To be called within `unchanged`: a swap under way would replace what has just been seated.
        Both are open, so nothing is loaded and nothing can be refused: nothing is `auto` of a task
        that the policy in force does not fit, see `check_fit`. Returns the bundle that is active
        now. Raises UnknownLegacy, NotReady.
        """
        rising, falling = self._shadow(name), self._held()
        rising.bundle = under(rising.bundle, falling.bundle.policy, in_shadow=True)
        self._shadows[name] = falling
        falling.active = False
        self._activate(rising)
        return rising.bundle

    async def reload(self) -> Bundle:
        """Opens anew what lies where the active bundle was opened. Raises as `swap` does."""
        async with self._swapping:
            return await self._replace(self._held().origin)

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
        # Tickets are computed meanwhile: they are left all cores but one.
        held = await self._load(directory, at_once=False)
        old, self._active = self._active, None
        if old is not None:
            if old.bundle.digest != held.bundle.digest:
                self._previous = old.bundle.directory
            self._retire(old)
        for seated in self._shadows.values():
            seated.bundle = under(seated.bundle, held.bundle.policy, in_shadow=True)
        self._activate(held)
        await self.settled()
        return held.bundle

    async def _first(self) -> Held:
        early, self._early = self._early, None
        if early is None:
            return await self._load(self._settings.bundle)
        early.reports.listener = self._on_batch
        bundle = await asyncio.to_thread(early.result)
        return await begun(bundle, self._settings.bundle, early.reports)

    async def _load(
        self, directory: Path, *, in_shadow: bool = False, at_once: bool = True
    ) -> Held:
        reports = Reports(self._on_batch)
        bundle = await asyncio.to_thread(
            open_bundle,
            directory,
            self._settings,
            reports,
            in_shadow=in_shadow,
            at_once=at_once,
        )
        return await begun(bundle, directory, reports)

    def _activate(self, held: Held) -> None:
        self._active = held
        held.active = True
        bundle = held.bundle
        logger.info("bundle %s (%s) is active", bundle.manifest.version, bundle.digest)
        for listener in self._listeners:
            listener(bundle)

    def _retire(self, held: Held) -> None:
        held.reports.replaced = True
        task = asyncio.create_task(held.close(self._settings.drain_s))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    def _held(self) -> Held:
        if self._active is None:
            raise NotReady("no bundle is loaded")
        return self._active

    def _shadow(self, name: str) -> Held:
        if name not in self._shadows:
            raise UnknownLegacy("no bundle runs in shadow under this name")
        return self._shadows[name]
