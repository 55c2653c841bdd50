"""What a run says of how its tasks' losses, or their gradients, become one."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from service.contract.tasks import TaskName
from training.config.section import NotNegative, Positive, Section

Method = Literal[
    "equal", "manual", "uncertainty", "dwa", "gradnorm", "random",
    "pcgrad", "cagrad", "mgda", "upgrad", "imtl_g", "graddrop", "nashmtl",
]  # fmt: skip
GRADIENT_METHODS = frozenset(
    {"pcgrad", "cagrad", "mgda", "upgrad", "imtl_g", "graddrop", "nashmtl"}
)
"""These read a gradient for each task, not one of the summed losses."""


class BalanceConfig(Section):
    """method: a balancer of `training/balance`. weights: of `manual`, 1 for a task left out.

    equal_steps: learned weights wait so many steps; the wait is scaled down where a run is shorter
    than ten times it. rate: the learning rate of learned weights. temperature: of `dwa`.
    restoring: the power of `gradnorm`'s training rates. conflict: `cagrad`'s c.
    """

    method: Method = "uncertainty"
    weights: dict[TaskName, NotNegative] = Field(default_factory=dict)
    equal_steps: Annotated[int, Field(ge=0)] = 500
    rate: Positive = 1e-3
    temperature: Positive = 2.0
    restoring: NotNegative = 1.5
    conflict: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.4


def _named(value: Any) -> Any:
    return {"method": value} if isinstance(value, str) else value


Balance = Annotated[BalanceConfig, BeforeValidator(_named)]
