"""What a run says of what it learns besides its tasks' labels, and of what it watches."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from training.config.section import Count, NotNegative, Positive, Section


class MaskedConfig(Section):
    """Masked language modelling beside the tasks. weight: of its loss; 0 leaves it out.

    share: of the tokens that are to be told (Devlin et al. 2019, arXiv:1810.04805).
    """

    weight: NotNegative = 0.0
    share: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.15


class DistillConfig(Section):
    """Learning from a larger model. teacher: a run's checkpoint directory; None leaves it out.

    temperature: softens both sides' logits (Hinton et al. 2015, arXiv:1503.02531). weight: of the
    teacher's answers against the labels. hidden: weight of the distance between the features of
    both, through a learned map where their widths differ; 0 leaves it out.
    """

    teacher: str | None = None
    temperature: Positive = 2.0
    weight: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5
    hidden: NotNegative = 0.0

    @model_validator(mode="after")
    def _there_is_a_teacher(self) -> Self:
        if self.teacher is None and self.hidden:
            raise ValueError("hidden needs a teacher, found none")
        return self


class DiagnosticsConfig(Section):
    """every_steps: how often the tasks' gradients are compared; 0 never. per_layer: for each layer
    too. sampling_steps: the realised balance is told after so many.
    """

    every_steps: Annotated[int, Field(ge=0)] = 50
    per_layer: bool = False
    sampling_steps: Count = 100
