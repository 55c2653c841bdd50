"""A module and example tensors come in; its ONNX graph goes out, as torch made it."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from onnx import ModelProto
from torch import Tensor, nn

from export.attention import traced_as
from export.errors import GraphError

OPSET = 20
"""The first in which GELU is one node; 23 ran no faster on a CPU."""


def trace(
    module: nn.Module,
    examples: Sequence[Tensor],
    shapes: Sequence[dict[int, Any]],
    inputs: Sequence[str],
    outputs: Sequence[str],
    attention: str,
) -> ModelProto:
    """The graph of a module, put into evaluation mode, with its inputs and outputs so named.

    examples: an axis of size 1 would be taken for a constant. shapes: of each example, the axes
    that are free. attention: see `export.attention`. Raises GraphError.
    """
    with torch.no_grad(), _quiet(), traced_as(module, attention):
        program = torch.onnx.export(
            module.eval(),
            tuple(examples),
            dynamo=True,
            dynamic_shapes=tuple(shapes),
            input_names=list(inputs),
            output_names=list(outputs),
            opset_version=OPSET,
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise GraphError("torch gave no graph for the network")
    return program.model_proto


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the exporter's known chatter, and nothing else, off the terminal."""
    registration = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = registration.level
    registration.setLevel(logging.ERROR)  # It announces that torchvision is missing, four times.
    try:
        with warnings.catch_warnings():
            # Both inputs have the same two axes; the exporter notes that it names each axis once.
            warnings.filterwarnings("ignore", "# The axis name: .* will not be used", UserWarning)
            # torch copies its own deprecated tree type.
            warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)`", FutureWarning)
            yield
    finally:
        registration.setLevel(level)
