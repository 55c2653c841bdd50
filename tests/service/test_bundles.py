"""Leases, swaps and roll-backs: which bundle answers, and when the old one closes."""

import asyncio
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service import opening
from service.bundle import Bundle
from service.bundles import Bundles
from service.contract.bundle import bundle_digest
from service.engine.answer import Answer
from service.engine.providers import Opened, open_sessions
from service.errors import BundleRefused, Closing, NotReady, UnknownLegacy
from service.settings import Settings
from tests.service.engine.crowded import Crowded
from tests.tiny_bundle import GRAPH, write_bundle

TEXT = "invoice charged twice, please refund"


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Three bundles that give different answers, and one whose graph was tampered with."""
    root = tmp_path_factory.mktemp("shelf")
    shelf = {
        name: write_bundle(root / name, version=name, seed=seed)
        for seed, name in enumerate(("one", "two", "three", "broken"))
    }
    (shelf["broken"] / GRAPH).write_bytes(b"tampered with")
    return shelf


def _settings(directory: Path) -> Settings:
    return Settings(bundle=directory, provider="cpu", sessions=2, drain_s=30.0)


async def _ask(bundle: Bundle) -> Answer:
    tokens = bundle.tokenizer.encode(TEXT)
    return await bundle.engine.submit(tokens, time.monotonic() + 60.0)


async def _retired(bundles: Bundles) -> None:
    await asyncio.gather(*bundles._retiring)


async def _wanted(directory: Path) -> np.ndarray:
    async with Bundles(_settings(directory)) as bundles:
        return np.asarray((await _ask(bundles.active)).probabilities["category"])


async def test_the_first_bundle_is_active_and_announced(shelf: dict[str, Path]) -> None:
    announced: list[Bundle] = []
    bundles = Bundles(_settings(shelf["one"]))
    bundles.listen(announced.append)
    async with bundles:
        assert announced == [bundles.active]
        assert bundles.active.manifest.version == "one"
        assert bundles.active.engine.alive


async def test_without_a_bundle_nothing_is_lent(shelf: dict[str, Path]) -> None:
    bundles = Bundles(_settings(shelf["one"]))
    with pytest.raises(NotReady), bundles.lease():
        pass


async def test_a_broken_first_bundle_keeps_the_service_from_starting(
    shelf: dict[str, Path],
) -> None:
    with pytest.raises(BundleRefused, match=GRAPH):
        await Bundles(_settings(shelf["broken"])).__aenter__()


async def test_a_swap_under_load_loses_no_ticket_and_mixes_no_answer(
    shelf: dict[str, Path],
) -> None:
    wanted = {bundle_digest(shelf[name]): await _wanted(shelf[name]) for name in ("one", "two")}
    answered: Counter[str] = Counter()
    done = asyncio.Event()

    async def client(bundles: Bundles) -> None:
        while not done.is_set():
            with bundles.lease() as bundle:
                answer = await _ask(bundle)
                np.testing.assert_allclose(
                    answer.probabilities["category"], wanted[bundle.digest], atol=1e-6
                )
                answered[bundle.manifest.version] += 1

    async with Bundles(_settings(shelf["one"])) as bundles:
        clients = [asyncio.create_task(client(bundles)) for _ in range(8)]
        await bundles.swap(shelf["two"])
        await bundles.rollback()
        await bundles.swap(shelf["two"])
        done.set()
        await asyncio.gather(*clients)
    assert answered["one"] > 0
    assert answered["two"] > 0


async def test_a_lease_outlives_a_swap_and_the_old_engine_closes_after_it(
    shelf: dict[str, Path],
) -> None:
    async with Bundles(_settings(shelf["one"])) as bundles:
        with bundles.lease() as old:
            new = await bundles.swap(shelf["two"])
            assert bundles.active is new
            assert (await _ask(old)).probabilities
            assert old.engine.alive
        await _retired(bundles)
        assert not old.engine.alive
        with pytest.raises(Closing):
            await _ask(old)


async def test_a_refused_bundle_leaves_the_active_one_serving(shelf: dict[str, Path]) -> None:
    announced: list[Bundle] = []
    bundles = Bundles(_settings(shelf["one"]))
    bundles.listen(announced.append)
    async with bundles:
        before = bundles.active
        with pytest.raises(BundleRefused, match=GRAPH):
            await bundles.swap(shelf["broken"])
        assert bundles.active is before
        assert announced == [before]
        assert (await _ask(before)).probabilities


async def test_a_roll_back_returns_to_the_bundle_before_and_proves_it_again(
    shelf: dict[str, Path], tmp_path: Path
) -> None:
    first = write_bundle(tmp_path / "first", version="first")
    async with Bundles(_settings(first)) as bundles:
        with pytest.raises(BundleRefused, match="no earlier bundle"):
            await bundles.rollback()
        await bundles.swap(shelf["two"])
        assert (await bundles.rollback()).manifest.version == "first"
        await bundles.swap(shelf["two"])
        (first / GRAPH).write_bytes(b"changed since")
        with pytest.raises(BundleRefused, match=GRAPH):
            await bundles.rollback()
        assert bundles.active.manifest.version == "two"


async def test_swaps_at_the_same_time_take_their_turns(shelf: dict[str, Path]) -> None:
    order: list[str] = []
    bundles = Bundles(_settings(shelf["one"]))
    bundles.listen(lambda bundle: order.append(bundle.manifest.version))
    async with bundles:
        await asyncio.gather(bundles.swap(shelf["two"]), bundles.swap(shelf["three"]))
        assert order == ["one", "two", "three"]
        assert bundles.active.manifest.version == "three"
        await _retired(bundles)


async def test_closing_waits_for_leases_then_lends_nothing(shelf: dict[str, Path]) -> None:
    bundles = await Bundles(_settings(shelf["one"])).__aenter__()
    with bundles.lease() as bundle:
        closing = asyncio.create_task(bundles.__aexit__(None, None, None))
        await asyncio.sleep(0)
        assert (await _ask(bundle)).probabilities
        assert not closing.done()
    await closing
    assert not bundle.engine.alive
    with pytest.raises(NotReady), bundles.lease():
        pass
    with pytest.raises(Closing):
        await bundles.swap(shelf["two"])


async def test_a_rollback_goes_where_the_link_led_and_not_where_it_leads_now(
    shelf: dict[str, Path], tmp_path: Path
) -> None:
    link = tmp_path / "current"
    link.symlink_to(shelf["one"])
    async with Bundles(_settings(link)) as bundles:
        link.unlink()
        link.symlink_to(shelf["two"])
        assert (await bundles.swap(link)).manifest.version == "two"
        assert (await bundles.rollback()).manifest.version == "one"


async def test_a_swap_to_the_same_bundle_leaves_the_earlier_one_to_roll_back_to(
    shelf: dict[str, Path],
) -> None:
    async with Bundles(_settings(shelf["one"])) as bundles:
        for _ in range(2):
            await bundles.swap(shelf["two"])
        assert (await bundles.rollback()).manifest.version == "one"


async def test_two_bundles_change_places_without_being_opened_again(shelf: dict[str, Path]) -> None:
    announced: list[Bundle] = []
    bundles = Bundles(_settings(shelf["one"]), shadows={"old": shelf["two"]})
    bundles.listen(announced.append)
    async with bundles:
        first, second = bundles.open
        assert bundles.exchange("old") is second
        assert (bundles.active, bundles.shadow("old")) == (second, first)
        assert announced == [first, second]
        answered = await asyncio.gather(_ask(bundles.active), _ask(bundles.shadow("old")))
        assert np.any(
            answered[0].probabilities["category"] != answered[1].probabilities["category"]
        )
    assert not first.engine.alive
    assert not second.engine.alive


async def test_a_lease_outlasts_an_exchange_and_a_reload_follows_the_bundle_to_its_seat(
    shelf: dict[str, Path],
) -> None:
    async with Bundles(_settings(shelf["one"]), shadows={"old": shelf["two"]}) as bundles:
        with bundles.lease() as held:
            bundles.exchange("old")
            assert held.manifest.version == "one"
            await _ask(held)
        await bundles.reload()
        assert bundles.active.manifest.version == "two"
        assert bundles.shadow("old").manifest.version == "one"
        await _retired(bundles)


async def test_an_exchange_waits_for_a_swap_that_is_under_way(shelf: dict[str, Path]) -> None:
    async with Bundles(_settings(shelf["one"]), shadows={"old": shelf["two"]}) as bundles:
        reloading = asyncio.create_task(bundles.reload())
        await asyncio.sleep(0)
        async with bundles.unchanged():
            assert reloading.done()
            bundles.exchange("old")
        await reloading
        assert [bundle.manifest.version for bundle in bundles.open] == ["two", "one"]
        await _retired(bundles)


async def test_only_batches_of_the_bundle_that_answers_are_reported(shelf: dict[str, Path]) -> None:
    reported: list[int] = []
    bundles = Bundles(
        _settings(shelf["one"]),
        shadows={"old": shelf["two"]},
        on_batch=lambda report: reported.append(report.tickets),
    )
    async with bundles:
        await _ask(bundles.shadow("old"))
        assert reported == []
        bundles.exchange("old")
        await _ask(bundles.active)
        assert reported == [1]


async def test_a_start_opens_sessions_on_all_cores_and_a_swap_on_one(
    shelf: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    crowded: list[Crowded] = []

    def counted(*positional: Any, **named: Any) -> Opened:
        crowded.append(Crowded())
        return open_sessions(*positional, **named, opener=crowded[-1].open)

    monkeypatch.setattr(opening, "open_sessions", counted)
    async with Bundles(_settings(shelf["one"]), shadows={"new": shelf["two"]}) as bundles:
        await bundles.swap(shelf["three"])
        await bundles.rollback()
        await bundles.reload()
    at_start = 2 if (os.cpu_count() or 1) > 1 else 1
    assert [one.most for one in crowded] == [at_start, at_start, 1, 1, 1]


async def test_a_broken_shadow_bundle_keeps_the_service_from_starting_and_leaves_nothing_open(
    shelf: dict[str, Path],
) -> None:
    opened: list[Bundle] = []
    bundles = Bundles(_settings(shelf["one"]), shadows={"old": shelf["broken"]})
    bundles.listen(opened.append)
    with pytest.raises(BundleRefused, match=GRAPH):
        await bundles.__aenter__()
    assert not opened[0].engine.alive


async def test_a_seat_that_nobody_configured_cannot_be_exchanged(shelf: dict[str, Path]) -> None:
    async with Bundles(_settings(shelf["one"])) as bundles:
        with pytest.raises(UnknownLegacy):
            bundles.exchange("old")
