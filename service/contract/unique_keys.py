"""YAML's safe loader comes in; one that refuses a key that stands twice goes out."""

from typing import Any

import yaml


class UniqueKeyLoader(yaml.SafeLoader):
    """YAML's own loader lets the last of two equal keys win without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping. Raises YAMLError naming the key that stands twice."""
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if twice := sorted({key for key in keys if keys.count(key) > 1} - {"<<"}):
            raise yaml.YAMLError(f"the key {twice[0]} stands twice in one place")
        return super().construct_mapping(node, deep=deep)
