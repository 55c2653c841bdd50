"""A document comes in; a file that holds all of it, or nothing at all, goes out."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def keep(place: Path, document: Mapping[str, Any]) -> None:
    """Writes JSON beside its place and moves it there, so that it tells a finished step."""
    fresh = place.with_suffix(".tmp")
    fresh.write_text(json.dumps(document) + "\n", encoding="utf-8")
    os.replace(fresh, place)
