"""Promises come in; what a manifest keeps of them goes out, and the very promises out of that."""

import hashlib
import json
from collections.abc import Collection
from typing import Any

from export.errors import PromisesLost
from service.contract.bundle import Manifest
from training.calibration.promises import Promises, parse_promises
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


def merged(old: object, promises: Promises | None, tasks: Collection[str]) -> dict[str, Any] | None:
    """What the manifest is to keep once `tasks` follow `promises` and the others what is there."""
    before = old if isinstance(old, dict) else {}
    new = document(promises) if promises else {}
    both = {**{name: one for name, one in before.items() if name not in tasks}, **new}
    return both or None
