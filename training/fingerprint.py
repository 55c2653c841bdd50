"""Source files come in; one digest that names the code of a run goes out."""

import hashlib
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_PARTS = ("training", "service/contract", "service/statistics")


def code_fingerprint() -> str:
    """`sha256:` of every Python file that decides what a run learns, by name and content."""
    digest = hashlib.sha256()
    for part in _PARTS:
        for path in sorted((_ROOT / part).rglob("*.py")):
            digest.update(path.relative_to(_ROOT).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return "sha256:" + digest.hexdigest()
