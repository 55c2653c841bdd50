"""The narrow protocol of a balancer: per-task losses, or per-task gradients, become one.

Shapes: T tasks with a label in the step, P shared parameters.
"""

from collections.abc import Mapping

from torch import Tensor, nn


class Balancer(nn.Module):
    """What a step does with several losses. Everything that it learns or remembers is a parameter
    or a buffer, so that a resumed run goes on with the same numbers; what it draws is a function of
    seed and step.

    One that weighs implements `forward`; one that combines gradients has `separate` set and
    implements `combine`. A task without a label in the step is in neither.
    """

    separate = False
    """Whether it reads a gradient for each task."""

    probes = False
    """Whether `probe` wants to see the norm of each task's gradient at the last shared layer."""

    def forward(self, losses: dict[str, Tensor], step: int) -> Tensor:
        """The weighted sum of scalar losses, linear in each of them: a step whose batch is cut into
        passes calls it once a pass, with that pass's part of every loss.
        """
        raise NotImplementedError

    def penalty(self, tasks: tuple[str, ...], step: int) -> Tensor | None:  # noqa: ARG002 - for those that have one
        """What is added once a step beside the weighted losses; None where there is nothing."""
        return None

    def combine(self, rows_TP: Tensor, tasks: tuple[str, ...], step: int) -> Tensor:
        """One gradient (P,) from a gradient a task; rows are in the order of `tasks`.

        P holds only what at least two of the tasks share; what a task has for itself gets its own
        gradient. Called with T of at least 2.
        """
        raise NotImplementedError

    def probe(self, norms: Mapping[str, float], losses: Mapping[str, float], step: int) -> None:
        """After the losses of a step are known and before its gradients are taken: the norm of each
        task's unweighted gradient at the last shared layer, and each task's loss.
        """

    def end_epoch(self, losses: Mapping[str, float]) -> None:
        """After an epoch: each task's mean training loss over it."""

    def weights(self) -> dict[str, float]:
        """The weight that each task has now; empty where all are 1 or where there is none."""
        return {}


def sum_of(losses: Mapping[str, Tensor]) -> Tensor:
    """The sum of at least one scalar loss."""
    values = list(losses.values())
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total
