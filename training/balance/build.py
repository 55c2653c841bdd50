"""A configuration comes in; the balancer that it names goes out."""

from training.balance.balancer import Balancer
from training.balance.equal import EqualWeights
from training.balance.uncertainty import UncertaintyWeights
from training.config import RunConfig


def build_balancer(config: RunConfig, tasks: tuple[str, ...], total_steps: int) -> Balancer:
    """The balancer that a configuration names; a wait is at most a tenth of the run."""
    if config.balance.method == "equal":
        return EqualWeights()
    return UncertaintyWeights(tasks, min(config.balance.equal_steps, total_steps // 10))
