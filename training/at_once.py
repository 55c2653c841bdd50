"""A text comes in; a file that holds all of it, or is as it was, goes out."""

import os
from pathlib import Path


def write_at_once(path: Path, text: str) -> None:
    """Writes UTF-8 beside the place and renames it there: a kill leaves the old file or the new
    one, and what the old one was linked to keeps its content.
    """
    fresh = path.with_suffix(".tmp")
    fresh.write_text(text, encoding="utf-8")
    os.replace(fresh, path)
