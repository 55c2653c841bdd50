"""What `harbor-train baselines` wrote comes in; how good each task was alone, on the validation
split, goes out.
"""

import json
from collections import defaultdict
from pathlib import Path
from statistics import fmean

from training.errors import TrainingError

BASELINES = "baselines.json"


def validation_scores(directory: Path) -> dict[str, float]:
    """Mean macro-F1 over the seeds, by task. Raises TrainingError."""
    scores: dict[str, list[float]] = defaultdict(list)
    try:
        document = json.loads((directory / BASELINES).read_text(encoding="utf-8"))
        for task, found in document["tasks"].items():
            for single in found["single"]:
                report = json.loads((directory / single["directory"] / "report.json").read_text())
                scores[task].append(float(report["validation_metric"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(
            f"{directory.name} holds no whole {BASELINES} of `harbor-train baselines`: {error}"
        ) from error
    return {task: fmean(found) for task, found in scores.items()}
