"""What a command tells whoever watches it; the command line draws lines and bars from it."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Listener:
    """stage: a name, and of how many steps it is. advance: so many steps are done. say: a line."""

    stage: Callable[[str, int], None] = lambda _name, _steps: None
    advance: Callable[[int], None] = lambda _steps: None
    say: Callable[[str], None] = lambda _line: None


SILENT = Listener()
"""Where nobody watches."""
