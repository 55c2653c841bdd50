"""What a bundle promises about its answers, and the evidence that each promise rests on."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.contract.tasks import Label

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=0)]
Cost = Annotated[float, Field(ge=0.0)]
Choice = Literal["probability", "expected_cost"]
SetMethod = Literal["lac", "aps"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Share(_Frozen):
    """A share of tickets with its two-sided 95 % Clopper-Pearson interval."""

    value: Probability
    low: Probability
    high: Probability


class Costs(_Frozen):
    """What wrong labels cost a ticket, in any unit: `matrix[true][given]`, in the task's order.

    human: what it costs to let an agent decide.
    """

    matrix: tuple[tuple[Cost, ...], ...]
    human: Cost

    @model_validator(mode="after")
    def _square(self) -> Self:
        if any(len(row) != len(self.matrix) for row in self.matrix):
            raise ValueError("a cost matrix has as many columns as rows")
        return self


class CostEvidence(_Frozen):
    """Mean cost of a ticket: decided by this threshold (with its 95 % bootstrap interval), if all
    tickets were `auto`, and if an agent decided all.
    """

    mean: Cost
    low: Cost
    high: Cost
    all_auto: Cost
    all_human: Cost


class Evidence(_Frozen):
    """What was seen on the labelled tickets of the calibration split.

    tickets: labelled ones. accepted: of these, `auto`; right: of the accepted, with the final
    label. precision: right of accepted, None where none is accepted. coverage: accepted of tickets.
    """

    tickets: Count
    accepted: Count
    right: Count
    precision: Share | None
    coverage: Share
    cost: CostEvidence | None = None


class Promise(_Frozen):
    """What `auto` promises.

    precision: an answer is right at least `target` of the time. coverage: at least `target` of the
    tickets are `auto`. level: the confidence with which it was shown, chance of a false promise at
    most 1 - level. cost (no target): the mean cost was the least among thresholds on the given
    label's probability, and is shown to be below that of an agent for every ticket.
    """

    kind: Literal["precision", "coverage", "cost"]
    target: Probability | None = None
    level: Probability = 0.95
    evidence: Evidence

    @model_validator(mode="after")
    def _has_its_target(self) -> Self:
        if (self.target is None) != (self.kind == "cost"):
            raise ValueError("a promise of precision or coverage has a target, one of cost none")
        return self


class Threshold(_Frozen):
    """The confidences from which a task's label is applied (`auto`) or shown to an agent
    (`suggest`).

    by_label: in place of `auto` where this label is given; None means never `auto`. choose: the
    label of the largest probability, or of the least expected cost, for which `costs` are needed;
    the confidence is that label's probability either way. promise: None where a person set the
    thresholds.
    """

    auto: Probability
    suggest: Probability = 0.0
    by_label: dict[Label, Probability | None] = {}
    choose: Choice = "probability"
    costs: Costs | None = None
    promise: Promise | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.suggest > self.auto:
            raise ValueError(f"suggest {self.suggest} must not exceed auto {self.auto}")
        return self

    @model_validator(mode="after")
    def _knows_the_costs(self) -> Self:
        if self.choose == "expected_cost" and self.costs is None:
            raise ValueError("a choice by expected cost needs the costs")
        return self


class SetRule(_Frozen):
    """Which labels belong to a conformal set (split conformal prediction).

    A label belongs to it where its score (see `service.statistics.conformal`) is at most
    `threshold`, or at most `by_label[label]` where coverage per class is asked for. None: too few
    calibration tickets, so that every label belongs to it. coverage: share of tickets whose final
    label is in the set. tickets: calibrated on.
    """

    method: SetMethod
    coverage: Annotated[float, Field(gt=0.0, lt=1.0)]
    threshold: float | None
    by_label: dict[Label, float | None]
    tickets: Count


class Scope(_Frozen):
    """From which `scope_score` on a ticket is unlike those that the model was trained on.

    kept: share of the calibration split's tickets up to it. tickets: calibrated on.
    """

    method: Literal["mahalanobis", "energy"]
    threshold: float
    kept: Probability
    tickets: Count
