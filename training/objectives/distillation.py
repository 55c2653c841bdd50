"""A teacher's answers and a student's come in; how far they are apart goes out.

Shapes: B batch, C classes of a task, S the student's width, H the teacher's.
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from training.attributes import attribute
from training.config.objectives import DistillConfig
from training.data.dataset import Dataset
from training.distill import Lessons
from training.model.network import Network
from training.objectives.objective import Objective, Pass


class Distillation(Objective):
    """Learning from a larger model: a task's whole loss is `label_share` of its loss on labels plus
    `weight` times `softened_distance` to the teacher's logits, with `hidden` times the distance of
    their features beside it.

    Logits after Hinton et al. 2015 (arXiv:1503.02531), features after Romero et al. 2015
    (arXiv:1412.6550), through a learned linear map a task where the widths differ. Deviations: the
    part on labels goes through the balance, this one does not, so that its tasks count alike; and
    features are made 1 long before they are compared. Every ticket is taught, labelled or not; the
    sum is divided by the tickets of the step's whole batch. Teacher and student should have the
    same `class_weights`: the logits of both contain them.
    Parameters: S x H a task with `hidden` and other widths, else none.
    """

    name = "distill"

    def __init__(self, lessons: Lessons, settings: DistillConfig, width: int) -> None:
        """lessons: of the training split, on the run's device. width: of the student's features."""
        super().__init__()
        self.settings = settings
        self._lessons = lessons
        self.maps = nn.ModuleDict()
        if settings.hidden:
            self.maps.update(
                {attribute(task): _map(width, lessons.width) for task in lessons.features}
            )
        self._positions_B: NDArray[np.int64] = np.zeros(0, dtype=np.int64)

    @property
    def label_share(self) -> float:
        """What is left to the labels: the factor of every task's own loss."""
        return 1.0 - self.settings.weight

    def begin(self, dataset: Dataset, positions_B: NDArray[np.int64], step: int) -> None:  # noqa: ARG002 - the protocol's
        """Notes which tickets the step's whole batch holds."""
        self._positions_B = np.asarray(positions_B)

    def loss(self, network: Network, part: Pass) -> Tensor | None:  # noqa: ARG002 - the protocol's
        """The weighted distances of this pass's tickets over the number in the whole batch."""
        places = torch.from_numpy(self._positions_B[part.places_B])
        far = self._answers(part.logits, places)
        if self.settings.hidden:
            far = far + self.settings.hidden * self._features(part.features, places)
        return far / len(self._positions_B)

    def _answers(self, logits: Mapping[str, Tensor], places: Tensor) -> Tensor:
        far = [
            softened_distance(logits[task], _at(taught, places), self.settings.temperature)
            for task, taught in self._lessons.logits.items()
        ]
        return self.settings.weight * torch.stack(far).sum()

    def _features(self, features: Mapping[str, Tensor], places: Tensor) -> Tensor:
        far = [
            unit_distance(self.maps[attribute(task)](features[task]), _at(taught, places))
            for task, taught in self._lessons.features.items()
        ]
        return torch.stack(far).sum()


def softened_distance(student_BC: Tensor, teacher_BC: Tensor, temperature: float) -> Tensor:
    """The sum over tickets of T^2 x KL(teacher || student), both logits divided by T: a scalar.

    T^2 keeps the gradient's size as T grows; as it does, the distance of a ticket goes to half the
    variance over classes of the difference of the logits.
    """
    told_BC = functional.log_softmax(teacher_BC.float() / temperature, dim=1)
    said_BC = functional.log_softmax(student_BC.float() / temperature, dim=1)
    far = functional.kl_div(said_BC, told_BC, reduction="sum", log_target=True)
    return temperature**2 * far


def unit_distance(student_BH: Tensor, teacher_BH: Tensor) -> Tensor:
    """The sum over tickets of the squared distance of both vectors, each made 1 long: a scalar.

    It is 2 - 2 cos, whatever the widths or the scale; a mean over H would vanish as H grows.
    """
    said_BH = functional.normalize(student_BH.float(), dim=1)
    told_BH = functional.normalize(teacher_BH.float(), dim=1)
    return (said_BH - told_BH).square().sum()


def _map(width: int, wanted: int) -> nn.Module:
    return nn.Identity() if width == wanted else nn.Linear(width, wanted, bias=False)


def _at(taught: Tensor, places: Tensor) -> Tensor:
    return taught[places.to(taught.device)]
