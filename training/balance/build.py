"""A configuration comes in; the balancer that it names goes out."""

from collections.abc import Callable

from training.balance.balancer import Balancer
from training.balance.cagrad import ConflictAverse
from training.balance.dwa import DynamicWeightAverage
from training.balance.equal import EqualWeights
from training.balance.graddrop import SignDropout
from training.balance.gradnorm import GradNorm
from training.balance.imtl_g import ImpartialGradient
from training.balance.manual import ManualWeights
from training.balance.mgda import MinimumNorm
from training.balance.nashmtl import BargainedGradient
from training.balance.pcgrad import ProjectedConflicts
from training.balance.random_weights import RandomWeights
from training.balance.uncertainty import UncertaintyWeights
from training.balance.upgrad import UnconflictingProjections
from training.config import RunConfig
from training.config.balance import Method


def build_balancer(config: RunConfig, tasks: tuple[str, ...], total_steps: int) -> Balancer:
    """The balancer that a configuration names; a wait is at most a tenth of the run.

    tasks: those of the run, in their order. total_steps: of the whole run.
    """
    balance, seed = config.balance, config.seed
    wait = min(balance.equal_steps, total_steps // 10)
    known: dict[Method, Callable[[], Balancer]] = {
        "equal": EqualWeights,
        "manual": lambda: ManualWeights(tasks, balance.weights),
        "uncertainty": lambda: UncertaintyWeights(tasks, wait),
        "dwa": lambda: DynamicWeightAverage(tasks, balance.temperature),
        "gradnorm": lambda: GradNorm(tasks, balance.rate, balance.restoring, wait),
        "random": lambda: RandomWeights(tasks, seed),
        "pcgrad": lambda: ProjectedConflicts(seed),
        "cagrad": lambda: ConflictAverse(balance.conflict),
        "mgda": MinimumNorm,
        "upgrad": UnconflictingProjections,
        "imtl_g": ImpartialGradient,
        "graddrop": lambda: SignDropout(seed),
        "nashmtl": BargainedGradient,
    }
    return known[balance.method]()
