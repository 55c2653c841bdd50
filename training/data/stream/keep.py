"""A document comes in; a file that holds all of it, or nothing at all, goes out."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.at_once import write_at_once


def keep(place: Path, document: Mapping[str, Any]) -> None:
    """Writes JSON beside its place and moves it there, so that it tells a finished step."""
    write_at_once(place, json.dumps(document) + "\n")
