"""The machine that a benchmark ran on comes out as facts to print above its table."""

import os
import platform
import shutil
import subprocess
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("onnxruntime-gpu", "onnxruntime", "tokenizers", "numpy", "uvicorn")


def facts() -> dict[str, str]:
    """Processor, cores, GPU and driver where there is one, and the versions that were measured."""
    return {
        "processor": processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        **gpu(),
        "python": platform.python_version(),
        **versions(PACKAGES),
    }


def stolen(before: Any, after: Any) -> float:
    """Of the time for which programs wanted a core, the share in which the hypervisor gave it to
    another machine. before, after: `psutil.cpu_times()`.
    """
    taken = getattr(after, "steal", 0.0) - getattr(before, "steal", 0.0)
    ran = sum(getattr(after, kind) - getattr(before, kind) for kind in ("user", "system"))
    return taken / (taken + ran) if taken + ran else 0.0


def processor(path: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's model name; its architecture where the kernel does not say."""
    for line in path.read_text().splitlines() if path.exists() else []:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def gpu() -> dict[str, str]:
    """`gpu` and `driver` of the first device that nvidia-smi lists, else `gpu: none`."""
    if shutil.which("nvidia-smi") is None:
        return {"gpu": "none"}
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    run = subprocess.run(query, capture_output=True, text=True, check=False, timeout=30)
    return read_gpu(run.stdout if run.returncode == 0 else "")


def read_gpu(listing: str) -> dict[str, str]:
    """listing: nvidia-smi's `name, driver` lines."""
    name, comma, driver = (listing.splitlines() or [""])[0].partition(",")
    return {"gpu": name.strip(), "driver": driver.strip()} if comma else {"gpu": "none"}


def versions(packages: Iterable[str]) -> dict[str, str]:
    """The versions of those packages that are installed."""
    found: dict[str, str] = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
