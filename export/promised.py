"""Promises come in; what a manifest keeps of them goes out, and the very promises out of that."""

import hashlib
import json
from collections.abc import Callable, Collection, Set
from typing import Any

from export.errors import PromisesLost
from service.contract.bundle import Manifest, Variant
from training.calibration.promises import RESERVED, Promises, parse_promises
from training.errors import ConfigError

KEY = "promises"
"""Under which the manifest's `metrics` keep them, as the file of promises had them."""


def document(promises: Promises) -> dict[str, Any]:
    """The promises as a file would hold them, defaults left out: `parse_promises` reads it."""
    found = promises.model_dump(mode="json", exclude_defaults=True)
    tasks: dict[str, dict[str, Any]] = found.pop("tasks", {})
    for promise in tasks.values():
        if "default" in promise:
            promise["costs"] = {"default": promise.pop("default"), **promise["costs"]}
    return {**found, **tasks}


def digest(promises: Promises) -> str:
    """SHA-256, in hexadecimal, that equal promises share however their file is laid out."""
    return hashlib.sha256(json.dumps(document(promises), sort_keys=True).encode()).hexdigest()


def kept(manifest: Manifest, tasks: Collection[str]) -> Promises | None:
    """What the bundle was asked to promise for these tasks; None where it promises nothing.

    Raises PromisesLost where the manifest has thresholds, but not what they were chosen for.
    """
    asked = manifest.metrics.get(KEY)
    if asked is None:
        decided = {task for variant in manifest.variants for task in variant.thresholds}
        if lost := sorted(decided.intersection(tasks)):
            raise PromisesLost(
                f"bundle {manifest.version} decides {', '.join(lost)} by thresholds, and does not "
                "say for which promises they were chosen: give the promises as a file"
            )
        return None
    try:
        promises = parse_promises(asked, f"metrics.{KEY} of the manifest")
    except ConfigError as error:
        raise PromisesLost(f"{error}: give the promises as a file") from error
    return restricted(promises, tasks)


def restricted(promises: Promises, tasks: Collection[str]) -> Promises:
    """Those of some tasks alone."""
    named = {name: one for name, one in promises.tasks.items() if name in tasks}
    return promises.model_copy(update={"tasks": named})


def check_shared(manifest: Manifest, promises: Promises, tasks: Collection[str]) -> None:
    """Raises ConfigError where only some `tasks` are to follow `promises`, and what these say of
    the whole bundle is not what the other tasks were made with.
    """
    others = {task.name for task in manifest.tasks if task.name not in tasks}
    before = _kept(manifest.metrics.get(KEY))
    for key in sorted(_in_force(manifest, others)):
        old, new = before.get(key, getattr(Promises(), key)), getattr(promises, key)
        if old != new:
            raise ConfigError(
                f"{key} is one for all tasks: {', '.join(sorted(others))} would stay at {old}, the "
                f"promises say {new}: recalibrate all tasks, or leave {key} as it is"
            )


def merged(old: object, promises: Promises | None, tasks: Collection[str]) -> dict[str, Any] | None:
    """What the manifest is to keep once `tasks` follow `promises` and the others what is there.

    What is said of the whole bundle is that of the promises alone.
    """
    new = document(promises) if promises else {}
    gone = {*tasks, *RESERVED} if promises else tasks
    return {**{key: one for key, one in _kept(old).items() if key not in gone}, **new} or None


def _kept(found: object) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}


def _in_force(manifest: Manifest, others: Set[str]) -> set[str]:
    """What of the keys that are one for all tasks these tasks were made with."""
    made: dict[str, Callable[[Variant], Collection[str]]] = {
        "level": lambda variant: variant.thresholds.keys() & others,
        "sets": lambda variant: variant.sets.keys() & others,
        "scope": lambda variant: others if variant.scope else (),
    }
    return {key for key in RESERVED if any(made[key](one) for one in manifest.variants)}
