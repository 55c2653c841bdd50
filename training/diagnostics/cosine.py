"""The tasks' losses and the parameters that they share come in; the cosine between every two
tasks' gradients and the norm of each go out.
"""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement

import torch
from torch import Tensor, nn

BETWEEN = "|"
"""Stands between the names of a pair: `category|queue`."""

_NUMBERED = re.compile(r"[A-Za-z_]\w*\.\d+")

Found = dict[str, Tensor]
"""A task's gradient: a tensor for each parameter that its loss reaches."""


@dataclass(frozen=True)
class Gradients:
    """What one step's gradients say of each other.

    cosines: of each pair `a|b`, in the order of the losses. norms: of each task that shares a
    parameter with another, over all that it shares. layers: of each layer, `cosines` over it alone;
    empty where it was not asked for.
    """

    cosines: dict[str, float]
    norms: dict[str, float]
    layers: dict[str, dict[str, float]]


def compare_gradients(
    losses: Mapping[str, Tensor],
    parameters: Mapping[str, nn.Parameter],
    *,
    per_layer: bool = False,
    scale: float = 1.0,
) -> Gradients:
    """Compares the gradients of scalar losses, one a task, without touching any `grad` (the measure
    of Du et al. 2018, arXiv:1812.02224, and of Yu et al. 2020, arXiv:2001.06782).

    parameters: by name; `comparable` names those of a trunk. Which of them two tasks share is seen
    from which losses reach them: a pair is compared over what both reach, so that a parameter that
    one does not reach neither shifts the other's vector nor makes it longer. scale: what the losses
    were multiplied by, as half precision asks for; norms are divided by it.

    A pair that shares nothing, and one in which a gradient is zero or not finite, has no cosine; a
    norm that is not finite is left out. The graph of the losses is kept for the step's own way
    back. Costs a way back for each task, and the memory of a gradient for each.
    """
    products = _products({task: _gradient(loss, parameters) for task, loss in losses.items()})
    layers = _by_layer(products) if per_layer else {}
    return Gradients(
        cosines=_cosines(tuple(losses), products.values()),
        norms=_norms(tuple(losses), products.values(), scale),
        layers={layer: _cosines(tuple(losses), some) for layer, some in layers.items()},
    )


def comparable(module: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that gradients are compared over: those that learn, without lookup tables.

    A table of embeddings is left out: it is half of a small encoder, each step's gradient is zero
    in nearly all of it, and writing and multiplying those zeros costs time for each task.
    """
    tables = {
        id(one)
        for part in module.modules()
        if isinstance(part, nn.Embedding)
        for one in part.parameters(recurse=False)
    }
    return {
        name: one
        for name, one in module.named_parameters()
        if one.requires_grad and id(one) not in tables
    }


def layer_of(name: str) -> str:
    """The layer that a parameter belongs to, from its name: every numbered part of it
    (`layer.3`, `levels.0.experts.1`), or, without one, the module that holds its module.
    """
    numbered = _NUMBERED.findall(name)
    if numbered:
        return ".".join(numbered)
    parts = name.split(".")
    return parts[-3] if len(parts) > 2 else parts[0]


_Products = dict[tuple[str, str], float]
"""The inner products of the tasks' gradients of one parameter, each task with itself included."""


def _gradient(loss: Tensor, parameters: Mapping[str, nn.Parameter]) -> Found:
    if not parameters or not loss.requires_grad:
        return {}
    parts = torch.autograd.grad(
        loss, list(parameters.values()), retain_graph=True, allow_unused=True
    )
    return {name: part for name, part in zip(parameters, parts, strict=True) if part is not None}


def _products(found: Mapping[str, Found]) -> dict[str, _Products]:
    """Of each parameter that at least two tasks reach."""
    shared: dict[str, dict[str, Tensor]] = {}
    for task, parts in found.items():
        for name, part in parts.items():
            shared.setdefault(name, {})[task] = part.detach().flatten().float()
    places = [
        (name, pair)
        for name, parts in shared.items()
        if len(parts) > 1
        for pair in combinations_with_replacement(parts, 2)
    ]
    dots = [torch.dot(shared[name][one], shared[name][other]) for name, (one, other) in places]
    # One transfer: a device answers once, not once a product.
    values = torch.stack(dots).tolist() if dots else []
    products: dict[str, _Products] = {}
    for (name, pair), value in zip(places, values, strict=True):
        products.setdefault(name, {})[pair] = value
    return products


def _cosines(tasks: Sequence[str], products: Collection[_Products]) -> dict[str, float]:
    found = {}
    for one, other in combinations(tasks, 2):
        both = [some for some in products if (one, other) in some]
        inner = sum(some[one, other] for some in both)
        squares = [sum(some[task, task] for some in both) for task in (one, other)]
        # Roots before the product: squares of tiny gradients would be rounded to zero.
        length = math.sqrt(squares[0]) * math.sqrt(squares[1])
        if math.isfinite(inner) and 0.0 < length < math.inf:
            found[f"{one}{BETWEEN}{other}"] = max(-1.0, min(1.0, inner / length))
    return found


def _norms(tasks: Sequence[str], products: Collection[_Products], scale: float) -> dict[str, float]:
    found = {}
    for task in tasks:
        squares = [some[task, task] for some in products if (task, task) in some]
        norm = math.sqrt(sum(squares)) / scale
        if squares and math.isfinite(norm):
            found[task] = norm
    return found


def _by_layer(products: Mapping[str, _Products]) -> dict[str, list[_Products]]:
    layers: dict[str, list[_Products]] = {}
    for name, some in products.items():
        layers.setdefault(layer_of(name), []).append(some)
    return layers
