"""PCGrad: from each gradient, what conflicts with another is taken away."""

from torch import Tensor
from torchjd.aggregation import PCGradWeighting

from training.balance.aggregation import Aggregation, drawing


class ProjectedConflicts(Aggregation):
    """The sum of the gradients, after each was projected onto the normal plane of every other that
    it conflicts with, one after another in random order (Yu et al. 2020, arXiv:2001.06782,
    algorithm 1; torchjd's).

    Scale: without a conflict it is the sum. Projecting away one conflict may bring back an earlier
    one, so with three tasks or more the result may still conflict with a task. Deviation: the order
    is a function of seed and step.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed
        self.weighting = PCGradWeighting()

    def weigh(self, gramian_TT: Tensor, step: int) -> Tensor:
        """Weights (T,), each at least 1."""
        with drawing(self.seed, step, gramian_TT.device):
            weights_T: Tensor = self.weighting(gramian_TT)
        return weights_T
