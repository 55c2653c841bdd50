"""A legacy's label comes in; the same label in the words of the bundle that answers goes out."""

from collections.abc import Callable, Mapping, Sequence

from service.contract.tasks import Task

Labels = Mapping[str, Mapping[str, str]]
"""By task: a label as the one side says it, and as the other does."""


class Translation:
    """Tables by task; a label without a line stands for itself where the task has it.

    Nothing is guessed: case and white space count, and a label that leads nowhere gives None.
    """

    def __init__(self, labels: Labels, primary: Callable[[], Sequence[Task]]) -> None:
        """labels: from the legacy's words. primary: tasks of the bundle that answers now."""
        self._labels = labels
        self._primary = primary

    def __call__(self, task: str, label: str) -> str | None:
        """The label in the words of the task; None where nobody said how."""
        translated = self._labels.get(task, {}).get(label, label)
        return translated if translated in self._known(task) else None

    def back(self, task: str, label: str) -> str | None:
        """The other direction: for once the two have changed their seats.

        None where several labels were translated into this one.
        """
        table, known = self._labels.get(task, {}), self._known(task)
        origins = {given for given, meant in table.items() if meant == label}
        if label not in table:
            origins.add(label)
        origins &= set(known)
        return origins.pop() if len(origins) == 1 else None

    def _known(self, task: str) -> Sequence[str]:
        return next((one.labels for one in self._primary() if one.name == task), ())
