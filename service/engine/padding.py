"""Tickets end to end come in; a graph that takes them side by side answers."""

from dataclasses import replace

from service.contract.tasks import Task
from service.contract.tokens import IntArray
from service.engine.layout import Flat
from service.engine.outputs import Outputs
from service.engine.runner import Runner


class Padding:
    """A padded graph's session where a ragged one's is expected."""

    def __init__(self, session: Runner, pad_id: int) -> None:
        self._session = session
        self._pad_id = pad_id

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks that it answers."""
        return self._session.tasks

    @property
    def has_scope(self) -> bool:
        """Whether it gives a scope score, too."""
        return self._session.has_scope

    def run(self, ids_BL: IntArray, mask_BL: IntArray) -> Outputs:
        """As the session itself."""
        return self._session.run(ids_BL, mask_BL)

    def run_ragged(self, flat: Flat) -> Outputs:
        """As `run`, once the tickets are padded."""
        arrays = flat.padded(self._pad_id)
        outputs = self._session.run(arrays.ids_BL, arrays.mask_BL)
        return replace(outputs, tokens=arrays.tokens)
