"""What must be shown before a model may take over: margins, guards, horizon, error rate."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.contract.tasks import TaskName
from service.ledger.records import Role

Share = Annotated[float, Field(ge=0.0, lt=1.0)]
Criterion = Literal["superiority", "non_inferiority", "equivalence"]
MaturityDays = Annotated[float, Field(ge=0.0, le=60.0)]
DEFAULT_MATURITY_DAYS = 3.0
"""From a Friday's ticket to the Monday on which it is closed."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Guard(_Frozen):
    """A segment in which the challenger must not be worse by more than `margin`.

    dimension: a task's name (the final label is meant), `language`, `length`, `confidence`, or a
    metadata field. value: of the dimension. min_labels: final labels that the segment needs.
    """

    dimension: Annotated[str, Field(min_length=1, max_length=64)]
    value: Annotated[str, Field(min_length=1, max_length=64)]
    margin: Share = 0.0
    min_labels: Annotated[int, Field(ge=1)] = 30


class TaskPlan(_Frozen):
    """The test of one task.

    criterion: what promotes: `superiority` (the gap is above 0), `non_inferiority` (above
    -margin), `equivalence` (within the margin on both sides). horizon: labelled tickets of the
    fixed-horizon test (exact McNemar), None for none.
    """

    criterion: Criterion = "superiority"
    margin: Share = 0.0
    horizon: Annotated[int, Field(ge=10)] | None = None
    guards: tuple[Guard, ...] = ()


class Plan(_Frozen):
    """The plan for one legacy.

    alpha: the chance of a wrong verdict that is accepted, however often one looks. maturity_days:
    least age from which a ticket counts, with its label if it has one. A ticket that a model got
    wrong tends to be closed later; before that age its label may be missing for that very reason,
    and the model look too good. It holds for a roll-back too. The age grows where labels are seen
    to take longer, to 60 days at most; 0 counts every label at once, where they come with the
    tickets or in bulk.
    """

    legacy: str
    role: Role
    alpha: Annotated[float, Field(gt=0.0, le=0.2)] = 0.05
    maturity_days: MaturityDays = DEFAULT_MATURITY_DAYS
    tasks: dict[TaskName, TaskPlan]
