"""One process of a data-parallel step: run by `torchrun`, writes the gradient that it found.

torchrun --nproc_per_node 2 -m tests.training.step.worker ENCODER DESK OUT METHOD...
"""

import sys
import tempfile
from pathlib import Path

from safetensors.torch import save_file

from tests.training.step.gradient import gradient_of
from training.parallel import joined


def main(encoder: Path, desk: Path, out: Path, methods: list[str]) -> None:
    """Everything else is as in one process; OUT/METHOD.safetensors holds the gradient."""
    processes = joined()
    for method in methods:
        with tempfile.TemporaryDirectory() as scratch:
            found = gradient_of(encoder, desk, Path(scratch), processes=processes, balance=method)
        if processes.leads:
            save_file(found, out / f"{method}.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
