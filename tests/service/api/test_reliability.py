"""The live check over HTTP: tickets are routed, labels come back, promises are kept or broken."""

from pathlib import Path

import pytest

from service.api.reliability import ReliabilityReply
from service.reliability.watch import WINDOW
from tests.service.api.watched import change, gauges, has, label, rename, until, watched
from tests.service.desk import TICKET, serving


async def test_labels_that_agree_with_the_replies_keep_the_promise(
    promised: Path, tmp_path: Path
) -> None:
    async with watched(promised, tmp_path) as desk:
        await label(desk, right=60, wrong=2)
        found = await until(desk, has(62))
        queue = found.tasks["queue"]
        assert found.bundle.digest == desk.core.bundles.active.digest
        assert found.window == WINDOW
        assert queue.observed == pytest.approx(60 / 62)
        assert queue.labelled_share == 1.0
        assert (queue.promise.n, queue.promise.broken) == (62, False)
        assert found.tasks["category"].n == 0
        assert gauges(desk, "harbor_reliability_labelled") == {"queue": 62.0}
        assert gauges(desk, "harbor_reliability_expected") == {"queue": queue.expected}
        assert gauges(desk, "harbor_reliability_observed") == {"queue": queue.observed}
        assert gauges(desk, "harbor_reliability_gap") == queue.gap.model_dump()
        assert gauges(desk, "harbor_promise_target") == {"queue": 0.9}
        assert gauges(desk, "harbor_promise_broken") == {"queue": 0.0}
        assert gauges(desk, "harbor_promise_observed") == {
            "value": queue.promise.observed,
            "low": queue.promise.low,
            "high": queue.promise.high,
        }


async def test_a_broken_promise_raises_the_gauge_and_is_logged_once(
    promised: Path, tmp_path: Path
) -> None:
    async with watched(promised, tmp_path) as desk:
        await label(desk, right=20, wrong=30)
        promise = (await until(desk, has(50))).tasks["queue"].promise
        assert promise.broken
        assert promise.evidence >= 20
        assert promise.high < promise.target
        assert gauges(desk, "harbor_promise_broken") == {"queue": 1.0}
        await label(desk, right=1, wrong=0, first=50)
        await until(desk, has(51))
        (line,) = (line for line in desk.log if line["event"] == "promise broken")
        assert (line["task"], line["target"], line["n"]) == ("queue", 0.9, 50)
        said = "SELECT label FROM predictions WHERE task = 'queue' LIMIT 1"
        change(tmp_path, f"UPDATE feedback SET label = ({said})")
        await label(desk, right=1, wrong=0, first=60)
        assert not (await until(desk, has(52))).tasks["queue"].promise.broken
        assert "promise no longer broken" in [line["event"] for line in desk.log]


async def test_what_was_found_survives_a_restart(promised: Path, tmp_path: Path) -> None:
    async with watched(promised, tmp_path) as desk:
        await label(desk, right=20, wrong=30)
        before = (await until(desk, has(50))).tasks
    async with watched(promised, tmp_path) as desk:
        assert (await until(desk, has(50))).tasks == before


async def test_another_bundle_begins_with_its_own_labels(
    promised: Path, bundle: Path, tmp_path: Path
) -> None:
    async with watched(promised, tmp_path) as desk:
        await label(desk, right=5, wrong=0)
        await until(desk, has(5))
        other = await desk.core.bundles.swap(bundle)
        assert gauges(desk, "harbor_promise_target") == {}
        found = await until(desk, lambda found: found is not None)
        assert found.bundle.digest == other.digest
        assert (found.tasks["queue"].n, found.tasks["queue"].promise) == (0, None)
        await desk.core.bundles.swap(promised)
        await until(desk, has(5))


async def test_a_corrected_label_changes_what_was_found(promised: Path, tmp_path: Path) -> None:
    async with watched(promised, tmp_path) as desk:
        await label(desk, right=1, wrong=0)
        await until(desk, has(1))
        given = {"ticket_id": "0", "labels": {"queue": "elsewhere"}}
        assert (await desk.client.post("/feedback", json=given)).status_code == 200

        def is_wrong(found: ReliabilityReply | None) -> bool:
            return found is not None and found.tasks["queue"].observed == 0.0

        assert (await until(desk, is_wrong)).tasks["queue"].unknown == 1


async def test_without_a_ledger_there_is_no_figure_and_routing_goes_on(promised: Path) -> None:
    async with serving(promised) as desk:
        await desk.core.bundles.swap(promised)
        reply = await desk.client.get("/reliability")
        assert (reply.status_code, reply.json()["code"]) == (503, "ledger_unavailable")
        assert reply.json()["detail"] == "the ledger is off"
        assert (await desk.client.post("/route", json=TICKET)).status_code == 200
        assert gauges(desk, "harbor_reliability_labelled") == {}


async def test_a_ledger_that_fails_takes_the_figures_away_until_it_is_back(
    promised: Path, tmp_path: Path
) -> None:
    async with watched(promised, tmp_path) as desk:
        await label(desk, right=3, wrong=0)
        await until(desk, has(3))
        rename(tmp_path, "feedback", "elsewhere")
        await until(desk, lambda found: found is None)
        assert gauges(desk, "harbor_reliability_labelled") == {}
        assert (await desk.client.post("/route", json=TICKET)).status_code == 200
        rename(tmp_path, "elsewhere", "feedback")
        await until(desk, has(3))


async def test_figures_that_cannot_be_made_are_logged_and_the_check_goes_on(
    promised: Path, tmp_path: Path
) -> None:
    async with watched(promised, tmp_path) as desk:
        await label(desk, right=1, wrong=0)
        await until(desk, has(1))
        change(tmp_path, "UPDATE predictions SET confidence = 'none'")
        await label(desk, right=1, wrong=0, first=1)
        await until(desk, lambda found: found is None)
        assert "reliability failed" in [line["event"] for line in desk.log]
        change(tmp_path, "UPDATE predictions SET confidence = 0.5")
        await label(desk, right=1, wrong=0, first=2)
        await until(desk, has(3))
