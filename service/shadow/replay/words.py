"""A translation file comes in; a checked table from the desk's words, and its identity, go out."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from service.contract.tasks import Label, Task, TaskName
from service.errors import ShadowRefused
from service.shadow.config import GivenLabel
from service.strict_yaml import read_yaml

Words = Mapping[str, Mapping[str, str]]
"""By task: a label in the desk's words, and in the bundle's."""

_WORDS: TypeAdapter[dict[TaskName, dict[GivenLabel, Label]]] = TypeAdapter(
    dict[TaskName, dict[GivenLabel, Label]]
)


def read_words(path: Path | None, tasks: Sequence[Task]) -> Words:
    """The tables of a YAML file; none where there is no file.

    tasks: of the bundle. Raises ShadowRefused naming the file, the key and the rule.
    """
    if path is None:
        return {}
    try:
        words = _WORDS.validate_python(read_yaml(path) or {})
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in fault["loc"]) or "the file"
        raise ShadowRefused(f"{path.name}: {where}: {fault['msg']}") from None
    except ValueError as error:
        raise ShadowRefused(f"{path.name} cannot be read: {error}") from None
    _check(path.name, words, {task.name: task.labels for task in tasks})
    return words


def identity_of(name: str, words: Words) -> str:
    """What stands behind a name: rules that changed want another name, their words count here."""
    described = json.dumps({"kind": "rules", "name": name, "labels": words}, sort_keys=True)
    return "sha256:" + hashlib.sha256(described.encode()).hexdigest()


def _check(file: str, words: Words, known: Mapping[str, Sequence[str]]) -> None:
    for task, table in words.items():
        if task not in known:
            raise ShadowRefused(f"{file}: the bundle has no task {task}")
        for label in table.values():
            if label not in known[task]:
                raise ShadowRefused(f"{file}: {task}: the bundle has no label {label!r}")
