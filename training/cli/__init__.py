"""`harbor-train`: a command line comes in; a generated desk, a run directory with a checkpoint, a
judgement of them, or a page goes out.
"""

from training.cli import checks as checks
from training.cli import runs as runs
from training.cli import trials as trials
from training.cli.app import app

__all__ = ["app"]
