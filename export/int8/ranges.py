"""A graph and tickets come in; how each layer's input becomes bytes at the least cost goes out.

Shapes: B batch, L padded length, T tokens, K inputs of a layer, H bins of a histogram.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, helper

from service.contract.tokens import IntArray
from service.engine.session import IDS, MASK

FloatArray = NDArray[np.floating]
Range = tuple[float, float]
Batches = Sequence[tuple[IntArray, IntArray]]
_Values = Mapping[str, FloatArray]

STEPS = 255
"""Of an unsigned byte."""

_BINS = 4096
_SHARES = np.linspace(0.2, 1.0, 81)
"""Of the widest range, tried at either end: beyond it a value is cut off."""


@dataclass(frozen=True)
class Rounding:
    """`byte = round(value / step) + zero`, cut off at 0 and 255."""

    step: np.float32
    zero: np.uint8

    @classmethod
    def over(cls, ends: Range) -> Self:
        """The bytes spread evenly over the range."""
        width = max(ends[1] - ends[0], float(np.finfo(np.float32).tiny))
        step = np.float32(width / STEPS)
        return cls(step, np.uint8(np.clip(np.rint(-ends[0] / step), 0, STEPS)))

    def back(self, values: FloatArray) -> FloatArray:
        """What the bytes of these values stand for."""
        bytes_ = np.clip(np.rint(values / self.step) + self.zero, 0, STEPS)
        return np.asarray((bytes_ - self.zero) * self.step)


@dataclass(frozen=True)
class Input:
    """Of one tensor. mean_K: of its values; rounded_K: of what their bytes stand for."""

    rounding: Rounding
    mean_K: FloatArray
    rounded_K: FloatArray


def measure(model: ModelProto, sources: Sequence[str], batches: Batches) -> dict[str, Input]:
    """By tensor, the rounding of least squared error on these tickets, and what it does to means.

    batches: ids and mask (B, L); padding is left out. It goes through them three times: for the
    extremes, for a histogram between them, for the means. Equal input gives equal roundings.
    """
    run = _tapped(model, sources)
    widest = dict.fromkeys(sources, (0.0, 0.0))
    for batch in batches:
        for name, values_TK in run(*batch).items():
            low, high = widest[name]
            widest[name] = min(low, float(values_TK.min())), max(high, float(values_TK.max()))
    counts = {name: np.zeros(_BINS, dtype=np.int64) for name in sources}
    for batch in batches:
        for name, values_TK in run(*batch).items():
            counts[name] += np.histogram(values_TK, _BINS, widest[name])[0]
    found = {name: Rounding.over(narrowed(counts[name], widest[name])) for name in sources}
    return _with_means(found, run, batches)


def narrowed(counts_H: NDArray[np.int64], widest: Range) -> Range:
    """The range of least squared error, 0 within it, for values that lie like this histogram.

    Within the range a value is off by a step's uniform error, beyond it by its distance. As in
    Banner et al. 2019 (arXiv:1810.05723), who suppose a distribution where this has the values; the
    ends are moved in turn.
    """
    low, high = widest
    edges_H = np.linspace(low, high, len(counts_H) + 1)
    middle_H = (edges_H[1:] + edges_H[:-1]) / 2.0

    def cost(ends: Range) -> float:
        beyond_H = middle_H - np.clip(middle_H, *ends)
        step = (ends[1] - ends[0]) / STEPS
        error_H = np.where(beyond_H == 0.0, step * step / 12.0, beyond_H * beyond_H)
        return float((counts_H * error_H).sum())

    ends = widest
    for _ in range(3):
        ends = min(((share * low, ends[1]) for share in _SHARES.tolist()), key=cost)
        ends = min(((ends[0], share * high) for share in _SHARES.tolist()), key=cost)
    return ends


def _with_means(
    found: Mapping[str, Rounding],
    run: Callable[[IntArray, IntArray], _Values],
    batches: Batches,
) -> dict[str, Input]:
    sums, rounded = dict[str, FloatArray](), dict[str, FloatArray]()
    tokens = 0
    for batch in batches:
        tokens += int(batch[1].sum())
        for name, values_TK in run(*batch).items():
            back_TK = found[name].back(values_TK)
            sums[name] = sums.get(name, 0.0) + values_TK.sum(axis=0, dtype=np.float64)
            rounded[name] = rounded.get(name, 0.0) + back_TK.sum(axis=0, dtype=np.float64)
    return {
        name: Input(one, sums[name] / tokens, rounded[name] / tokens) for name, one in found.items()
    }


def _tapped(model: ModelProto, sources: Sequence[str]) -> Callable[[IntArray, IntArray], _Values]:
    """What runs the graph and gives each of these tensors' values at real tokens, (T, K)."""
    copy = ModelProto()
    copy.CopyFrom(model)
    copy.graph.ClearField("output")
    copy.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in sources)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # It adds in one order every time.
    session = onnxruntime.InferenceSession(
        copy.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )

    def run(ids_BL: IntArray, mask_BL: IntArray) -> _Values:
        real_BL = mask_BL.astype(bool)
        found = session.run(list(sources), {IDS: ids_BL, MASK: mask_BL})
        return {name: all_BLK[real_BL] for name, all_BLK in zip(sources, found, strict=True)}

    return run
