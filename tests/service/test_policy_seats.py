"""One policy for every seat: what a swap and an exchange make of it."""

from pathlib import Path

import pytest

from service.bundles import Bundles
from service.contract.promises import Threshold
from service.errors import BundleRefused, Impossible
from service.rules import NEVER
from service.settings import Settings
from tests.tiny_bundle import write_bundle


def _settings(directory: Path, policy: Path) -> Settings:
    return Settings(bundle=directory, provider="cpu", sessions=1, policy=policy)


async def test_a_swap_gives_the_bundles_in_shadow_the_policy_that_it_has_read(
    bundle: Path, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("category: {auto: 0.6, may_loosen: true}")
    settings = _settings(bundle, policy)
    async with Bundles(settings, shadows={"old": bundle}) as bundles:
        engine = bundles.shadow("old").engine
        policy.write_text("category: {auto: 0.7, may_loosen: true}")
        await bundles.reload()
        shadow = bundles.shadow("old")
        assert (shadow.rules["category"].auto_C, shadow.engine) == ((0.7,) * 3, engine)
        assert shadow.policy is bundles.active.policy
        policy.write_text("category: {auto: 0.8}")
        with pytest.raises(BundleRefused, match=r"category\.auto: the bundle has no threshold"):
            await bundles.reload()
        assert bundles.shadow("old").rules["category"].auto_C == (0.7,) * 3


async def test_who_rises_has_the_rules_of_the_policy_in_force(bundle: Path, tmp_path: Path) -> None:
    policy, one = tmp_path / "policy.yaml", {"category": Threshold(auto=0.5)}
    promising = write_bundle(tmp_path / "promising", thresholds=one)
    policy.write_text("category: {auto: 0.9}")
    settings = _settings(promising, policy)
    seats = {"bare": bundle, "other": write_bundle(tmp_path / "other", thresholds=one)}
    async with Bundles(settings, shadows=seats) as bundles:
        bundles.check_fit("other")
        assert bundles.exchange("other").rules["category"].auto_C == (0.9,) * 3
        with pytest.raises(Impossible, match=r"policy\.yaml does not fit the bundle: category"):
            bundles.check_fit("bare")
        assert bundles.exchange("bare").rules["category"].auto_C == (NEVER,) * 3
        assert bundles.shadow("bare").rules["category"].auto_C == (0.9,) * 3
