"""A run's directory comes in; it is held for as long as one process works on it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from training.errors import TrainingError


@contextmanager
def hold(directory: Path) -> Iterator[None]:
    """Raises TrainingError where another process holds the directory; a kill lets it go."""
    place = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise TrainingError(f"another process is at work on {directory.name}") from error
    finally:
        os.close(place)
