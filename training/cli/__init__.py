"""`harbor-train`: a command line comes in; a generated desk, a run directory with a checkpoint, a
judgement of them, or a page goes out.
"""

from training.cli import runs as runs
from training.cli.app import app

__all__ = ["app"]
