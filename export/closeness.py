"""Two graphs of one bundle and texts come in; how far apart their answers are goes out, or why it
is too far.

Shapes: B batch, C a task's classes.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from export.errors import ParityError
from export.parity import MARGIN, SCOPE_TOLERANCE, TOLERANCE, FloatArray, apart, margin
from service.contract.tokens import Tokens, pad
from service.engine.outputs import Outputs
from service.engine.session import Session


@dataclass(frozen=True)
class Limits:
    """How far a variant may be from the padded fp32 graph with the same calibration.

    tolerance: of a probability. flips: the largest share of texts that may get another label of a
    task, those aside whose two best labels are within `margin`. scope: of a scope score, as a share
    of it.
    """

    tolerance: float
    flips: float
    margin: float
    scope: float


SAME = Limits(TOLERANCE, 0.0, MARGIN, SCOPE_TOLERANCE)
"""Of a graph in float32: it computes the same in another order."""

HALF = Limits(5e-3, 1e-3, 0.0, 5e-2)
"""Of an encoder in float16. MiniLM's probabilities differ by up to 1e-3, its scope scores by 1e-3
of them."""


@dataclass
class Closeness:
    """What was compared. max_dp, flips: by task. max_scope: None where there is no score."""

    file: str
    limits: Limits
    texts: int = 0
    max_dp: dict[str, float] = field(default_factory=dict)
    flips: dict[str, int] = field(default_factory=dict)
    max_scope: float | None = None

    def add(self, known: Outputs, found: Outputs) -> None:
        """Counts a batch's answers of the fp32 graph and of the variant."""
        self.texts += len(next(iter(known.probabilities.values())))
        for name, expected_BC in known.probabilities.items():
            found_BC = found.probabilities[name]
            largest = float(np.abs(found_BC - expected_BC).max())
            # numpy's maximum, so that NaN stays.
            self.max_dp[name] = float(np.maximum(self.max_dp.get(name, 0.0), largest))
            flipped = _flips(expected_BC, found_BC, self.limits.margin)
            self.flips[name] = self.flips.get(name, 0) + flipped
        if known.scope_B is not None and found.scope_B is not None:
            share = apart(known.scope_B, found.scope_B)
            self.max_scope = float(np.maximum(self.max_scope or 0.0, share))

    def check(self) -> None:
        """Raises ParityError where the answers are further apart than the limits."""
        limits = self.limits
        for name, largest in self.max_dp.items():
            if not largest <= limits.tolerance:
                raise ParityError(
                    f"{self.file}, {name}: a probability differs from the fp32 graph's by "
                    f"{largest:.1e}, at most {limits.tolerance:.0e} is allowed"
                )
            share = self.flips[name] / self.texts
            if share > limits.flips:
                raise ParityError(
                    f"{self.file}, {name}: {share:.2%} of {self.texts} texts get another label "
                    f"than from the fp32 graph, at most {limits.flips:.1%} may"
                )
        if self.max_scope is not None and not self.max_scope <= limits.scope:
            raise ParityError(
                f"{self.file}: a scope score differs from the fp32 graph's by a share of "
                f"{self.max_scope:.1e}, at most {limits.scope:.0e} is allowed"
            )

    def stable(self) -> dict[str, object]:
        """The part without measured differences, for the manifest: same input, same bytes."""
        return {
            "texts": self.texts,
            "tolerance": self.limits.tolerance,
            "flips": self.limits.flips,
            **({} if self.max_scope is None else {"scope_tolerance": self.limits.scope}),
            "passed": True,
        }


def compare(
    known: Session,
    found: Session,
    batches: Iterable[Sequence[Tokens]],
    pad_id: int,
    closeness: Closeness,
    advance: Callable[[int], None] = lambda _: None,
) -> None:
    """Asks both graphs every batch. advance: told the number of texts after each.

    Raises ParityError, InferenceFailed.
    """
    with ThreadPoolExecutor(1) as beside:
        for batch in batches:
            arrays = pad(batch, pad_id)
            answer = beside.submit(found.run, *arrays)
            closeness.add(known.run(*arrays), answer.result())
            advance(len(batch))
    closeness.check()


def _flips(expected_BC: FloatArray, found_BC: FloatArray, allowed: float) -> int:
    flipped_B = found_BC.argmax(axis=1) != expected_BC.argmax(axis=1)
    return int((flipped_B & (margin(expected_BC) > allowed)).sum())
