"""The shadow's configuration and the open bundles come in; the legacies that run go out."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from service.bundles import Bundles
from service.contract.tasks import Task
from service.engine.leftover import Leftover
from service.ledger.records import Role
from service.shadow.bundle import BundleLegacy
from service.shadow.config import LegacyConfig, ShadowConfig, check_plan
from service.shadow.legacy import Legacy
from service.shadow.remote import RemoteLegacy


def bundles_of(config: ShadowConfig | None) -> dict[str, Path]:
    """The directories of the legacies that are bundles, by name."""
    legacies = () if config is None else config.legacies
    return {one.name: one.bundle for one in legacies if one.bundle is not None}


def legacies_of(
    config: ShadowConfig,
    bundles: Bundles,
    leftover: Leftover,
    role: Callable[[str], Role],
) -> dict[str, Legacy]:
    """The legacies by name, not yet opened.

    bundles: open. role: of a legacy, now. Raises ShadowRefused where one cannot be compared with
    the bundle that answers, or where the plan names what that bundle has not.
    """
    # Whoever sits where: after a promotion the plan still speaks of both bundles' labels.
    check_plan(config, [task for bundle in bundles.open for task in bundle.tasks])

    def primary() -> tuple[Task, ...]:
        return bundles.active.tasks

    def legacy(one: LegacyConfig) -> Legacy:
        if one.bundle is None:
            return RemoteLegacy(one, primary)
        seat = partial(bundles.lease_shadow, one.name)
        return BundleLegacy(one, seat, partial(role, one.name), leftover, primary)

    return {one.name: legacy(one) for one in config.legacies}


def sides(primary: str, legacy: Legacy) -> tuple[str, str]:
    """The identities of challenger and incumbent. primary: digest of the bundle that answers."""
    pair = (primary, legacy.identity)
    return pair if legacy.role == "incumbent" else pair[::-1]
