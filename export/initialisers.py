"""A graph and a calibration come in; the same graph with that scale and bias goes out."""

from collections.abc import Mapping

import numpy as np
from onnx import ModelProto, numpy_helper

from export.errors import GraphError
from service.contract.bundle import Calibration


def with_calibration(graph: bytes, calibration: Mapping[str, Calibration]) -> bytes:
    """The graph with `<task>_scale` and `<task>_bias` of these tasks replaced; nothing else is.

    Equal graphs and calibrations give equal bytes. Raises GraphError where an initialiser is
    missing or has another number of values.
    """
    model = ModelProto.FromString(graph)
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    for task, one in calibration.items():
        for kind, values in (("scale", one.scale), ("bias", one.bias)):
            name = f"{task}_{kind}"
            if name not in stored:
                raise GraphError(f"the graph has no initialiser {name}")
            if list(stored[name].dims) != [len(values)]:
                found = list(stored[name].dims)
                raise GraphError(f"{name} has the shape {found}, the calibration {len(values)}")
            array_C = np.asarray(values, dtype=np.float32)
            stored[name].CopyFrom(numpy_helper.from_array(array_C, name))
    return bytes(model.SerializeToString(deterministic=True))
