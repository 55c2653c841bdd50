"""YAML comes in; plain data goes out, or one line that says why it cannot be read."""

from pathlib import Path
from typing import Any

import yaml

from service.contract.unique_keys import UniqueKeyLoader


def read_yaml(path: Path) -> Any:
    """The file's one document; an empty file is None.

    Raises ValueError saying why it cannot be read, in one line that quotes none of it.
    """
    try:
        return parse_yaml(path.read_bytes())
    except OSError as error:
        raise ValueError(error.strerror or "it cannot be opened") from None


def parse_yaml(content: bytes) -> Any:
    """The one document that UTF-8 bytes hold; None where they hold none. Raises as `read_yaml`."""
    try:
        return yaml.load(content.decode("utf-8"), UniqueKeyLoader)
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    except yaml.MarkedYAMLError as error:
        # The library's own message shows the line, which may hold a secret.
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ValueError(f"it is not YAML at line {line}") from None
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None
    except RecursionError:
        raise ValueError("it is nested too deep") from None
