"""A YAML file comes in; its plain data goes out, or the one line that says why it cannot."""

from pathlib import Path
from typing import Any

import yaml

from training.errors import ConfigError

_UNREADABLE = (OSError, ValueError, RecursionError, yaml.YAMLError)
"""What reading YAML raises: ValueError for text that is not UTF-8 and for an impossible date."""


class _Loader(yaml.SafeLoader):
    """YAML's own loader lets the last of two equal keys win without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if twice := sorted({key for key in keys if keys.count(key) > 1} - {"<<"}):
            raise yaml.YAMLError(f"the key {twice[0]} stands twice in one place")
        return super().construct_mapping(node, deep=deep)


def read_yaml(path: Path) -> Any:
    """What the file holds; an empty file holds an empty mapping. Raises ConfigError."""
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except _UNREADABLE as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path.name} cannot be read: {reason}") from error
    return {} if document is None else document
