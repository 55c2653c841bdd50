"""The settings, errors and metrics in the code come in; README's tables go out.

`python -m tests.readme_tables` prints them to paste; `test_readme.py` holds README to them.
"""

import sys
from collections.abc import Iterator, Sequence
from typing import get_args

from service.errors import ServiceError, StartError
from service.metrics import CATALOGUE
from service.settings import Settings

MACHINE_DEPENDENT = {"sessions": "cores"}
"""Settings whose default is read from the machine, as README has to word it."""


def settings_table() -> str:
    """A row for each field: flag, environment variable, default, meaning."""
    rows = [
        (
            f"`--{name.replace('_', '-')}`",
            f"`HARBOR_{name.upper()}`",
            _default(name),
            _meaning(name),
        )
        for name in Settings.model_fields
    ]
    return _table(("flag", "variable", "default", "meaning"), rows)


def errors_table() -> str:
    """A row for each error that can reach a caller: status, code, meaning."""
    rows = [(str(kind.status), f"`{kind.code}`", _first_line(kind)) for kind in _over_http()]
    return _table(("status", "code", "meaning"), rows)


def metrics_table() -> str:
    """A row for each metric: name, type, labels, meaning."""
    rows = [
        (f"`{entry.name}`", entry.type, ", ".join(entry.labels) or "-", entry.help)
        for entry in CATALOGUE
    ]
    return _table(("metric", "type", "labels", "meaning"), rows)


def _default(name: str) -> str:
    field = Settings.model_fields[name]
    if field.is_required():
        return "required"
    return MACHINE_DEPENDENT.get(name, f"`{field.default}`")


def _meaning(name: str) -> str:
    field = Settings.model_fields[name]
    choices = [choice for choice in get_args(field.annotation) if isinstance(choice, str)]
    listed = f" ({', '.join(choices)})" if choices else ""
    return f"{field.description}{listed}"


def _over_http() -> Iterator[type[ServiceError]]:
    """The tree in the order of its definition, without its root and what only stops a start."""
    waiting = [kind for kind in ServiceError.__subclasses__() if kind is not StartError]
    while waiting:
        kind = waiting.pop(0)
        if "code" in vars(kind):  # Others reach a caller as what they are a kind of.
            yield kind
        waiting[:0] = kind.__subclasses__()


def _first_line(kind: type[ServiceError]) -> str:
    return (kind.__doc__ or "").splitlines()[0].rstrip(".")


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    sys.stdout.write("\n\n".join((settings_table(), errors_table(), metrics_table())) + "\n")
