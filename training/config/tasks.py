"""What a run says of one task."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from service.contract.tasks import Label
from training.config.section import Section

Loss = Literal["cross_entropy", "ordinal_log_loss", "corn"]


class TaskConfig(Section):
    """A task of the run. labels: fixed in this order; None reads them from the data, sorted.

    Where `kind` is not said, `urgency` is ordinal if its labels are given
    here or read as P0, P1 and so on; every other task is nominal. loss: all but `cross_entropy` ask
    for an ordinal task. exported: a task that is not is trained, reported, and left out of the
    bundle. votes: the column with several agents' votes, such as `billing:3;technical:1`, which
    become soft labels; a ticket without a label counts as the one that most of its votes are for.
    """

    labels: Annotated[tuple[Label, ...], Field(min_length=2, max_length=1000)] | None = None
    kind: Literal["nominal", "ordinal"] | None = None
    role: Literal["primary", "auxiliary"] = "primary"
    loss: Loss = "cross_entropy"
    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    exported: bool = True
    votes: str | None = None

    @model_validator(mode="after")
    def _labels_are_distinct(self) -> Self:
        if self.labels and len(set(self.labels)) != len(self.labels):
            raise ValueError("a label stands twice in the list")
        return self

    @model_validator(mode="after")
    def _loss_fits(self) -> Self:
        if self.loss != "cross_entropy":
            if self.kind == "nominal":
                raise ValueError(f"loss {self.loss} needs an ordinal task; allowed: cross_entropy")
            if self.label_smoothing or self.votes:
                raise ValueError(f"loss {self.loss} takes neither label_smoothing nor votes")
        if not self.exported and self.role == "primary":
            raise ValueError("a task that is not exported must have the role auxiliary")
        return self
