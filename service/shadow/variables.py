"""Text with `${NAME}` in it comes in; the environment completes it, and nothing ever shows it."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import PlainValidator, ValidationInfo

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]{0,127})\}")
_MAX_CHARACTERS = 4096


@dataclass(frozen=True, slots=True)
class Completed:
    """A text that may hold a secret: neither `repr` nor an error shows any of it.

    written: as it stands in the file, `${NAME}` included. value: with the variables' values.
    """

    written: str = field(repr=False)
    value: str = field(repr=False)


def complete(text: str, environ: Mapping[str, str]) -> Completed:
    """Puts the variables' values in place of `${NAME}`.

    Raises ValueError naming the variable that is missing or empty, never a value.
    """
    for name in _VARIABLE.findall(text):
        if not environ.get(name):
            raise ValueError(f"the environment variable {name} is missing or empty")
    if "${" in _VARIABLE.sub("", text):
        raise ValueError("`${` must be followed by the name of an environment variable and `}`")
    return Completed(text, _VARIABLE.sub(lambda found: environ[found[1]], text))


def _validate(value: Any, info: ValidationInfo) -> Completed:
    if isinstance(value, Completed):
        return value
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_CHARACTERS:
        raise ValueError(f"it must be text of 1 to {_MAX_CHARACTERS} characters")
    context = info.context or {}
    return complete(value, context.get("environ", os.environ))


CompletedText = Annotated[Completed, PlainValidator(_validate)]
"""A pydantic field; the context's `environ` stands in for the process's environment."""
