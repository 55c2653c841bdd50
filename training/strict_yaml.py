"""A YAML file comes in; its plain data goes out, or the one line that says why it cannot."""

from pathlib import Path
from typing import Any

import yaml

from service.contract.unique_keys import UniqueKeyLoader
from training.errors import ConfigError

_UNREADABLE = (OSError, ValueError, RecursionError, yaml.YAMLError)
"""What reading YAML raises: ValueError for text that is not UTF-8 and for an impossible date."""


def read_yaml(path: Path) -> Any:
    """What the file holds; an empty file holds an empty mapping. Raises ConfigError."""
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), UniqueKeyLoader)
    except _UNREADABLE as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path.name} cannot be read: {reason}") from error
    return {} if document is None else document
