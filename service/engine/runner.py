"""What the engine needs of a session, and nothing more.

Shapes: B batch, L padded length.
"""

from typing import Protocol, cast

from service.contract.tasks import Task
from service.contract.tokens import IntArray
from service.engine.layout import Arrays, Flat
from service.engine.outputs import Outputs


class Runner(Protocol):
    """Runs padded batches; `service.engine.session.Session` is the real one."""

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks that `run` answers."""
        ...

    @property
    def has_scope(self) -> bool:
        """Whether `run` gives a scope score, too."""
        ...

    def run(self, ids_BL: IntArray, mask_BL: IntArray) -> Outputs:
        """What the model says to a batch."""
        ...


class RaggedRunner(Runner, Protocol):
    """Runs batches without padding, too."""

    def run_ragged(self, flat: Flat) -> Outputs:
        """What the model says to a batch."""
        ...


def run(session: Runner, arrays: Arrays) -> Outputs:
    """What the session says to the arrays, by the call that their layout asks for."""
    if isinstance(arrays, Flat):
        return cast("RaggedRunner", session).run_ragged(arrays)
    return session.run(arrays.ids_BL, arrays.mask_BL)
