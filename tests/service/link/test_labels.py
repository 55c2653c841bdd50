"""A label meets the decision that a front has only just sent."""

import asyncio
import time
from functools import partial
from pathlib import Path

import pytest

from service.ledger.records import FinalLabel
from tests.service.desk import serving
from tests.service.ledger.made import decision
from tests.service.link.linking import linked


def label_of(ticket: str) -> FinalLabel:
    return FinalLabel("category", "billing", ticket_id=ticket)


async def test_a_label_waits_for_the_decision_that_any_front_has_sent(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, url = asyncio.get_running_loop(), f"sqlite:///{tmp_path}/ledger.db"
    async with (
        serving(bundle, ledger=url) as desk,
        linked(desk.core, tmp_path, "1"),
        linked(desk.core, tmp_path, "2") as front,
    ):
        wire = front.bundles._wire
        assert wire is not None
        monkeypatch.setattr(wire, "send", partial(loop.call_later, 0.2, wire.send))
        await front.witness.see(decision(1, at=time.time()), None, None)
        receipt = await desk.core.ledger.feedback([label_of("t1")])
        assert (receipt.outcomes, receipt.unmatched) == (("stored",), ())


async def test_a_front_that_hangs_does_not_hold_a_label_up(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.link.hub.HEAR_S", 0.05)
    url = f"sqlite:///{tmp_path}/ledger.db"
    async with serving(bundle, ledger=url) as desk, linked(desk.core, tmp_path) as front:
        wire = front.bundles._wire
        assert wire is not None
        monkeypatch.setattr(wire, "_on_frame", lambda *_: None)
        await front.witness.see(decision(1, at=time.time()), None, None)
        label = label_of("t1")
        assert (await desk.core.ledger.feedback([label])).outcomes
        wire.close()
        assert (await desk.core.ledger.feedback([label])).outcomes
