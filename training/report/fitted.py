"""A task's calibration and the methods that stood for choice come in; what was fitted, in a form
for a page, goes out.
"""

from dataclasses import dataclass

from service.contract.bundle import Calibration
from service.contract.tasks import Task
from training.calibration.selection import Selected
from training.report.formats import percent

MOST = 20


@dataclass(frozen=True)
class Candidate:
    """A method with its cross-validated NLL, how far that is above the least, and that distance's
    standard error.
    """

    method: str
    nll: float
    above: float
    error: float
    chosen: bool


@dataclass(frozen=True)
class Value:
    """What one label's logit is multiplied with, and what is added to it."""

    label: str
    scale: float
    bias: float


@dataclass(frozen=True)
class Fitted:
    """temperature: where all labels share a scale. spread: in words, where there is one. values: of
    the labels whose bias is largest, and of none where every bias is 0; left_out: how many more
    there are.
    """

    method: str
    temperature: float | None
    spread: str | None
    values: tuple[Value, ...]
    left_out: int
    candidates: tuple[Candidate, ...]


def fitted(task: Task, calibration: Calibration, selected: Selected | None) -> Fitted:
    """selected: None where the calibration split's predictions were not kept."""
    shared = len(set(calibration.scale)) == 1
    plain = shared and not any(calibration.bias)
    rows = zip(task.labels, calibration.scale, calibration.bias, strict=True)
    values = [] if plain else [Value(*row) for row in rows]
    shown = sorted(values, key=lambda one: -abs(one.bias))[:MOST] if len(values) > MOST else values
    found = {} if selected is None else selected.candidates
    least = min((nll for nll, _ in found.values()), default=0.0)
    return Fitted(
        method=calibration.method,
        temperature=1.0 / calibration.scale[0] if shared and calibration.scale[0] != 1.0 else None,
        spread=_spread(calibration),
        values=tuple(shown),
        left_out=len(values) - len(shown),
        candidates=tuple(
            Candidate(method, nll, nll - least, error, chosen=method == calibration.method)
            for method, (nll, error) in found.items()
        ),
    )


def _spread(calibration: Calibration) -> str | None:
    if not (share := calibration.spread):
        return None
    most = 1.0 - share + share / len(calibration.scale)
    return f"{percent(share)} of the labels look random: no confidence is above {percent(most)}"
