"""What a report says about two models' disagreement: frozen documents, stable as JSON."""

from pydantic import BaseModel, ConfigDict


class Finding(BaseModel):
    """A part of the report: frozen, and finite throughout."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Rate(Finding):
    """`count` of `n`, with the Wilson 95 % interval."""

    count: int
    n: int
    rate: float | None
    low: float
    high: float


class Day(Rate):
    """A rate over one or several whole days (UTC) from `start` on."""

    start: float
    days: int


class SegmentRate(Rate):
    """The disagreement within one segment against the rest.

    p_value: two-sided. p_adjusted: by Holm over all segments of the task.
    """

    dimension: str
    value: str
    p_value: float
    p_adjusted: float


class Matrix(Finding):
    """counts: a row for each label of the incumbent, a column for each of the challenger."""

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


class LabelPair(Finding):
    """Two labels that stand against each other. share: of all disagreements."""

    incumbent: str
    challenger: str
    count: int
    share: float


class Noise(Rate):
    """How often two legacies differ from each other on one task: the floor under any disagreement.

    other: the second legacy's name.
    """

    other: str
