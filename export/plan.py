"""A bundle and what to recalibrate it on come in; all that can be refused without asking a graph is
refused, and what is settled goes out.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export import promised
from export.build import OFFSETS
from export.errors import ExportError
from export.labelled import read_labelled, read_traffic
from export.listener import Listener
from export.remake import Opened
from export.sealing import checked_version
from service.contract.bundle import Manifest, file_digest
from service.contract.tasks import Task
from training.calibration.promises import Promises
from training.data.table import Row

FloatArray = NDArray[np.floating]

_MADE_ANEW = re.compile(r"(\+card|\+[rq][0-9a-f]{8})+$")
"""What earlier recalibrations and cards added to a version: it would grow without end."""


@dataclass(frozen=True)
class Wanted:
    """What to recalibrate, and on what.

    tasks: names, empty for all; the others keep calibration and thresholds, and the bundle its
    limit of the scope. promises: None for those that the bundle was made for. traffic: recent
    tickets, to whose label shares the labelled ones are brought. rejects: where to list the rows
    that were not taken.
    """

    labelled: Path
    tasks: tuple[str, ...] = ()
    promises: Promises | None = None
    traffic: Path | None = None
    rejects: Path | None = None


@dataclass(frozen=True)
class Plan:
    """What is settled before a graph runs. promises: of `tasks` alone."""

    old: Opened
    wanted: Wanted
    tasks: tuple[Task, ...]
    promises: Promises | None
    rows: tuple[Row, ...]
    traffic: tuple[Row, ...]
    version: str

    @property
    def names(self) -> tuple[str, ...]:
        """Of the tasks that are recalibrated."""
        return tuple(task.name for task in self.tasks)

    @property
    def others(self) -> tuple[str, ...]:
        """Names of the tasks that stay as they are."""
        known = (task.name for task in self.old.manifest.tasks)
        return tuple(name for name in known if name not in self.names)

    @property
    def offsets(self) -> dict[str, FloatArray]:
        """By task (C,), what undoes the class weights of training."""
        kept = self.old.manifest.metrics.get(OFFSETS, {})
        return {name: np.asarray(kept[name]) for name in self.names if name in kept}


def settle(
    old: Opened, wanted: Wanted, version: str | None, listener: Listener, mark: str = "r"
) -> Plan:
    """Reads the files and says what they hold; the promises may name any task of the bundle.

    version: see `default_version` for None. Raises ExportError, DataError, and ConfigError where
    the promises do not fit the bundle.
    """
    manifest = old.manifest
    tasks = _chosen(manifest, wanted.tasks)
    names = tuple(task.name for task in tasks)
    if wanted.promises is not None:
        wanted.promises.check(manifest.tasks)
        promised.check_shared(manifest, wanted.promises, names)
        if left := sorted(wanted.promises.tasks.keys() - set(names)):
            listener.say(f"the promises for {', '.join(left)} are not used: --tasks leaves it out")
        promises: Promises | None = promised.restricted(wanted.promises, names)
    else:
        promises = promised.kept(manifest, names)
    for name in _without_promise(manifest, names, promises):
        listener.say(f"task {name} loses its promise: every answer will be `human`")
    version = checked_version(version or default_version(old, wanted, promises, mark))
    rows = read_labelled(wanted.labelled, manifest, tasks, wanted.rejects, listener.say)
    traffic = read_traffic(wanted.traffic, listener.say) if wanted.traffic else ()
    return Plan(old, wanted, tasks, promises, rows, traffic, version)


def default_version(old: Opened, wanted: Wanted, promises: Promises | None, mark: str = "r") -> str:
    """The version of the bundle as it was built, `+`, the mark and the start of a digest: what is
    made of the same things has the same version, and a version of a version is no longer than one.
    """
    made_of = [
        old.digest,
        file_digest(wanted.labelled),
        promised.digest(promises) if promises else None,
        file_digest(wanted.traffic) if wanted.traffic else None,
        sorted(wanted.tasks),
    ]
    digest = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()
    return f"{_MADE_ANEW.sub('', old.manifest.version)}+{mark}{digest[:8]}"


def _chosen(manifest: Manifest, names: Sequence[str]) -> tuple[Task, ...]:
    known = [task.name for task in manifest.tasks]
    if unknown := sorted(set(names) - set(known)):
        raise ExportError(f"the bundle has the tasks {', '.join(known)}, found {unknown[0]}")
    return tuple(task for task in manifest.tasks if not names or task.name in names)


def _without_promise(
    manifest: Manifest, names: Sequence[str], promises: Promises | None
) -> list[str]:
    before = {name for variant in manifest.variants for name in variant.thresholds}
    after = promises.tasks if promises else {}
    return [name for name in names if name in before and name not in after]
