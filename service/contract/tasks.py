"""A task is data: a name and an ordered list of labels; the model's heads follow from it."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

TaskName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
Label = Annotated[
    str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")
]


class Task(BaseModel):
    """One question with an ordered list of labels.

    labels: in the order of the logits; of an ordinal task also in the order of their meaning.
    kind: `ordinal` where the order of the labels means something (urgency), else `nominal`.
    role: `auxiliary` tasks inform training and are reported apart from `primary` ones.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: TaskName
    labels: Annotated[tuple[Label, ...], Field(min_length=2, max_length=1000)]
    kind: Literal["nominal", "ordinal"] = "nominal"
    role: Literal["primary", "auxiliary"] = "primary"

    @model_validator(mode="after")
    def _labels_are_distinct(self) -> Self:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError(f"task {self.name}: a label stands twice in its list")
        return self

    @property
    def classes(self) -> int:
        """How many labels the task has."""
        return len(self.labels)
