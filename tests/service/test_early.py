"""The first bundle, opened while the program is still being loaded."""

from pathlib import Path

import pytest

from service.bundles import Bundles
from service.early import Early
from service.errors import BundleRefused
from service.settings import Settings
from tests.tiny_bundle import write_bundle


async def test_a_bundle_that_was_opened_early_serves_and_reports_its_batches(
    tmp_path: Path,
) -> None:
    settings = Settings(bundle=write_bundle(tmp_path / "bundle"), ledger="off", sessions=1)
    early = Early(settings)
    heard: list[int] = []
    async with Bundles(
        settings, on_batch=lambda report: heard.append(report.tickets), early=early
    ) as bundles:
        assert bundles.active is early.result()
        await bundles.active.engine.submit(bundles.active.tokenizer.encode("a b"), _never())
        assert heard == [1]
        assert await bundles.reload() is not early.result()


async def test_the_reason_why_it_did_not_open_reaches_whoever_waits(tmp_path: Path) -> None:
    settings = Settings(bundle=tmp_path / "none", ledger="off")
    with pytest.raises(BundleRefused):
        async with Bundles(settings, early=Early(settings)):
            pytest.fail("a bundle that is not there was served")


def _never() -> float:
    return float("inf")
