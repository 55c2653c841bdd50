"""What the engine needs of a session, and nothing more.

Shapes: B batch, L padded length.
"""

from typing import Protocol

from service.contract.tasks import Task
from service.contract.tokens import IntArray
from service.engine.outputs import Outputs


class Runner(Protocol):
    """Runs batches; `service.engine.session.Session` is the real one."""

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
