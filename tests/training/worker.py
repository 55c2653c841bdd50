"""One process of data-parallel runs: run by `torchrun`, trains each directory from where it stands.

torchrun --nproc_per_node 2 -m tests.training.worker [--kill-after STEP] DIRECTORY...
"""

import argparse
import dataclasses
import os
import signal
from pathlib import Path

from tests.training.desk import silent
from training.parallel import joined
from training.run import train


def main() -> None:
    """With a step, the process that leads dies once it has recorded it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kill-after", type=int)
    parser.add_argument("directories", nargs="+", type=Path)
    wanted = parser.parse_args()

    def on_step(step: int, _: dict[str, float]) -> None:
        if step == wanted.kill_after:
            os.kill(os.getpid(), signal.SIGKILL)

    processes = joined()
    for directory in wanted.directories:
        train(directory, dataclasses.replace(silent(), step=on_step), processes)


if __name__ == "__main__":
    main()
