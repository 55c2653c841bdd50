"""A comparison comes in; the run's checkpoint, sealed again with it inside, goes out."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from service.contract.bundle import bundle_digest, seal
from training.at_once import write_at_once
from training.checkpoint import FACTS, Facts, load_facts
from training.compare.comparison import Comparison
from training.conclude import CHECKPOINT

COMPARISON, KEY = "comparison.json", "comparison"


def keep(comparison: Comparison, run: Path) -> str:
    """Writes RUN/comparison.json, and the same as `metrics["comparison"]` into the checkpoint,
    from where the model card has it; returns the checkpoint's new digest.

    Nothing else of the checkpoint changes; a kill leaves the old one or the new one. Raises
    CheckpointError where the checkpoint is not whole.
    """
    place, document = run / CHECKPOINT, comparison.document()
    facts, _ = load_facts(place)
    fresh = place.with_name(place.name + ".tmp")
    shutil.rmtree(fresh, ignore_errors=True)
    # Links, not copies: weights are large, and neither side ever writes into a file.
    shutil.copytree(place, fresh, copy_function=_link)
    write_at_once(fresh / FACTS, _with(facts, document))
    (fresh / "SHA256SUMS").unlink()
    seal(fresh)
    shutil.rmtree(place)
    fresh.rename(place)
    write_at_once(run / COMPARISON, json.dumps(document, indent=2) + "\n")
    return bundle_digest(place)


def comparison_rows(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of a kept comparison, in its order; none where there is none.

    document: `facts.metrics["comparison"]`, comparison.json, or the metrics that hold it. Each row
    has the fields of `training.compare.comparison.Row`.
    """
    found = document.get(KEY, document)
    return [dict(row) for row in found.get("rows", ())]


def _with(facts: Facts, document: dict[str, Any]) -> str:
    kept = facts.model_copy(update={"metrics": {**facts.metrics, KEY: document}})
    return json.dumps(kept.model_dump(mode="json"), indent=2, sort_keys=True) + "\n"


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # A file system without links.
        shutil.copyfile(source, target)
