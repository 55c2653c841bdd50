"""A run's modules come in; its optimiser goes out, and at each step its rates."""

from collections.abc import Sequence

import torch
from torch import nn

from training.config import OptimizerConfig, RunConfig
from training.model.network import Network
from training.plan import Plan
from training.schedule import Schedule

ENCODER, HEADS, BALANCE = "encoder", "heads", "balance"


def build_optimizer(
    config: RunConfig, network: Network, balancer: nn.Module, objectives: Sequence[nn.Module] = ()
) -> torch.optim.AdamW:
    """AdamW in up to three groups: encoder, everything after it, and the learned weights without
    decay.
    """
    rates: OptimizerConfig = config.optimizer
    encoder = network.trunk.encoder_parameters()
    inside = {id(parameter) for parameter in encoder}
    modules = (network, *objectives)
    every = dict.fromkeys(one for module in modules for one in module.parameters())
    heads = [one for one in every if one.requires_grad and id(one) not in inside]
    groups = [
        {"name": ENCODER, "params": encoder, "peak": rates.encoder_rate},
        {"name": HEADS, "params": heads, "peak": rates.head_rate},
        {
            "name": BALANCE,
            "params": [one for one in balancer.parameters() if one.requires_grad],
            "peak": config.balance.rate,
            "weight_decay": 0.0,
        },
    ]
    kept = [group for group in groups if group["params"]]
    # Fused: one pass over the weights, several times faster than the loop on a CPU as well.
    return torch.optim.AdamW(kept, lr=0.0, weight_decay=rates.weight_decay, fused=True)


class Rates:
    """The learning rate of each group at a step."""

    def __init__(self, optimizer: torch.optim.Optimizer, plan: Plan, warmup_share: float) -> None:
        self._groups = optimizer.param_groups
        self._schedules = {
            ENCODER: Schedule(plan.frozen, plan.total, warmup_share),
            HEADS: Schedule(0, plan.total, warmup_share),
            BALANCE: Schedule(0, plan.total, warmup_share),
        }

    def set(self, step: int) -> None:
        """step: counted from 0."""
        for group in self._groups:
            group["lr"] = group["peak"] * self._schedules[group["name"]].factor(step)
