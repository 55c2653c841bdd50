"""A variant's graph comes in; a session that takes padded batches goes out, whatever the graph
takes.

Shapes: B batch, L padded length, C classes of a task.
"""

import tempfile
from pathlib import Path

import numpy as np
import onnx

from export.attention import PACKED_NODE, count
from export.ragged.equivalent import equivalent
from service.contract.bundle import Variant
from service.contract.tasks import Task
from service.contract.tokens import IntArray
from service.engine.device import Device
from service.engine.layout import Flat
from service.engine.outputs import Outputs
from service.engine.session import FloatArray, Session


class RaggedSession(Session):
    """A session on a graph without padding that is asked as one on a padded graph."""

    def run(self, ids_BL: IntArray, mask_BL: IntArray) -> Outputs:
        """As a session's; the padding goes no further."""
        return self.run_ragged(flat(ids_BL, mask_BL))

    def raw(
        self, ids_BL: IntArray, mask_BL: IntArray
    ) -> tuple[dict[str, FloatArray], FloatArray | None]:
        """As a session's."""
        return self.raw_of(self.ragged_feeds(flat(ids_BL, mask_BL)))


def open_variant(
    graph: Path, tasks: tuple[Task, ...], variant: Variant, provider: Device
) -> Session:
    """The graph on one thread, which adds in one order every time.

    On the CPU, packed attention is replaced by its definition in plain operators: no kernel there
    has it. Raises ProviderMissing, InferenceFailed.
    """
    if variant.layout == "padded":
        return Session.open(graph, tasks, provider, threads=1)
    if provider == "cuda":
        return RaggedSession.open(graph, tasks, provider, threads=1)
    model = onnx.load(graph, load_external_data=False)
    if not count(model, PACKED_NODE):
        return RaggedSession.open(graph, tasks, provider, threads=1)
    with tempfile.TemporaryDirectory() as directory:
        plain = Path(directory) / graph.name
        onnx.save(equivalent(model), plain)
        return RaggedSession.open(plain, tasks, provider, threads=1)


def flat(ids_BL: IntArray, mask_BL: IntArray) -> Flat:
    """The tickets of a padded batch end to end."""
    lengths_B = mask_BL.sum(axis=1)
    ends_E = np.concatenate(([0], np.cumsum(lengths_B))).astype(np.int32)
    positions_T = np.arange(ends_E[-1]) - np.repeat(ends_E[:-1], lengths_B)
    return Flat(ids_BL[mask_BL == 1], positions_T.astype(np.int64), ends_E)
