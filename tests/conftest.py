"""What every test shares: one thread a worker, where several workers share the cores.

Torch would start as many threads as there are cores in each of them, and these would wait for each
other by spinning: on two cores a part of the training tests took eight times the CPU.
"""

import os

if "PYTEST_XDIST_WORKER" in os.environ:
    # Before torch and numpy are imported: they read it once.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
