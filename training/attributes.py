"""A task's name comes in; the name under which a module can hold that task's part goes out."""

from torch import nn

_HOLDERS = (nn.ModuleDict(), nn.ParameterDict())


def attribute(task: str) -> str:
    """The task's name; in capitals where torch's own attribute has it, such as `type` or `keys`.

    No other task can have that name: a task's is in lower case.
    """
    return task.upper() if any(hasattr(holder, task) for holder in _HOLDERS) else task
