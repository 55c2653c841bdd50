"""A device that is lost while it serves, and comes back: what operators are told."""

import asyncio
from dataclasses import replace
from pathlib import Path

from service.bundle import Bundle
from service.contract.tokens import IntArray
from service.engine.batcher import Limits
from service.engine.devices import Devices
from service.engine.engine import Engine
from service.engine.guard import Guard
from service.engine.outputs import Outputs
from service.engine.probe import Backoff
from service.engine.session import Session
from service.engine.spare import Spare
from service.engine.trouble import DeviceLost
from service.held import Reports
from service.opening import open_bundle
from service.settings import Settings
from tests.service.desk import TICKET, Desk, serving
from tests.service.engine.faulty import Door
from tests.tiny_bundle import DEFAULT_TASKS, GRAPH


class Device:
    """A session on a GPU that can be lost."""

    tasks = DEFAULT_TASKS
    has_scope = False

    def __init__(self, session: Session) -> None:
        self.session, self.dead = session, False

    def run(self, ids_BL: IntArray, mask_BL: IntArray) -> Outputs:
        """Raises DeviceLost while it is dead."""
        if self.dead:
            raise DeviceLost("CUDA failure 719: unspecified launch failure")
        return replace(self.session.run(ids_BL, mask_BL), provider="cuda")


class OnDevice:
    """A bundle that was opened on a GPU. door: the way to open it there again."""

    def __init__(self, directory: Path) -> None:
        self.reports = Reports()
        cpu = Session.open(directory / GRAPH, DEFAULT_TASKS, "cpu", threads=1)
        self.device, self.door = Device(cpu), Door(lambda: Device(cpu))
        backoff = Backoff(first_s=0.0, most_s=0.0)
        guard = Guard(self.device, self.door, Spare(lambda: cpu), backoff=backoff)  # type: ignore[arg-type]
        settings = Settings(bundle=directory, provider="cpu", sessions=1)
        self._bundle = replace(
            open_bundle(directory, settings),
            engine=Engine([guard], 0, Limits(), on_batch=self.reports, devices=Devices([guard])),  # type: ignore[list-item]
            provider="cuda",
        )

    def result(self) -> Bundle:
        """As of `service.early.Early`."""
        return self._bundle


async def test_the_bundles_summary_says_what_serves_now(bundle: Path) -> None:
    opened = OnDevice(bundle)
    opened.door.hold()
    async with serving(bundle, early=opened) as desk:
        assert await _told(desk) == ("cuda", False)
        opened.device.dead = True
        assert (await desk.client.post("/route", json=TICKET)).json()["degraded"]
        assert await _told(desk) == ("cpu", True)
        assert desk.core.bundles.active.degraded
        opened.door.release()
        async with asyncio.timeout(60):
            # Nobody is told of it but who asks.
            while await _told(desk) != ("cuda", False):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert not (await desk.client.post("/route", json=TICKET)).json()["degraded"]


async def _told(desk: Desk) -> tuple[str, bool]:
    found = (await desk.client.get("/bundle")).json()
    return found["provider"], found["degraded"]
