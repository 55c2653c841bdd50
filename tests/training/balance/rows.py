"""What the balancers' tests share: gradients drawn from a seed, and a balancer by its name."""

import torch
from torch import Tensor

from training.balance.balancer import Balancer
from training.balance.build import build_balancer
from training.config import RunConfig

NAMES = ("a", "b", "c", "d", "e")
METHODS = ("pcgrad", "cagrad", "mgda", "upgrad", "imtl_g", "graddrop", "nashmtl")
ORDERLESS = ("cagrad", "mgda", "upgrad", "imtl_g", "nashmtl")


def named(method: str, seed: int = 7) -> Balancer:
    """The balancer that a configuration with this method builds."""
    config = RunConfig.model_validate({"balance": method, "seed": seed})
    return build_balancer(config, NAMES, total_steps=1000)


def random_rows(count: int, size: int, seed: int) -> Tensor:
    """Independent gradients (count, size), float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, size, generator=generator, dtype=torch.float64)


def combined(balancer: Balancer, rows_TP: Tensor, step: int = 0) -> Tensor:
    """The balancer's gradient from rows of as many tasks."""
    return balancer.combine(rows_TP, NAMES[: len(rows_TP)], step)
