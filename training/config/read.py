"""A YAML file comes in; a validated run goes out, and back."""

from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from training.config.run import RunConfig
from training.errors import ConfigError
from training.strict_yaml import read_yaml


def read_config(path: Path | None) -> RunConfig:
    """The run that a YAML file describes; None is the reference recipe. Raises ConfigError."""
    if path is None:
        return RunConfig()
    return parse_config(read_yaml(path), path.name)


def parse_config(document: Any, name: str) -> RunConfig:
    """A run from plain data; `name` stands in messages. Raises ConfigError naming the key."""
    try:
        return RunConfig.model_validate(document)
    except ValidationError as error:
        lines = (_line(fault) for fault in error.errors())
        raise ConfigError(f"{name} is not a valid run: " + "; ".join(lines)) from error


def dump_config(config: RunConfig) -> str:
    """The run as YAML, every default written out."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


_NO_MAPPING = frozenset({"model_type", "model_attributes_type", "dict_type"})


def _line(fault: ErrorDetails) -> str:
    key = ".".join(str(part) for part in fault["loc"]) or "the file"
    if fault["type"] == "extra_forbidden" and (allowed := _keys(fault["loc"][:-1])):
        return f"{key}: there is no such key; allowed: {', '.join(allowed)}"
    said = fault["msg"].removeprefix("Value error, ")
    if fault["type"] in _NO_MAPPING:
        said = "must be a mapping of keys to values"
    elif fault["type"] == "union_tag_not_found":
        said = "needs the key scheme, or a scheme's name alone"
    return f"{key}: {said}" if fault["loc"] else said


def _keys(location: tuple[int | str, ...]) -> list[str]:
    """The keys of the section at a place; none where the place is no section."""
    found: list[type[BaseModel]] = [RunConfig]
    for part in location:
        inner = [kind.model_fields[str(part)].annotation for kind in found if _has(kind, part)]
        # What is no field is the name of a task, or the scheme that told a union's parts apart.
        found = [section for one in inner for section in _sections(one)] if inner else found
        told = [kind for kind in found if _is_scheme(kind, part)]
        found = told or found
    return list(found[0].model_fields) if len(found) == 1 else []


def _has(kind: type[BaseModel], part: int | str) -> bool:
    return str(part) in kind.model_fields


def _is_scheme(kind: type[BaseModel], part: int | str) -> bool:
    return "scheme" in kind.model_fields and kind.model_fields["scheme"].default == part


def _sections(annotation: Any) -> list[type[BaseModel]]:
    """The sections that an annotation may hold, through unions, annotations and mappings."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in {Union, UnionType, dict} or hasattr(annotation, "__metadata__"):
        return [found for one in get_args(annotation) for found in _sections(one)]
    return []
