"""What the machine has comes in; the device and the mixed precision of a run go out."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch

from training.errors import ConfigError

Precision = Literal["fp32", "bf16", "fp16"]
_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Arithmetic:
    """Where a run computes, and how precisely; `reason` says why."""

    device: torch.device
    precision: Precision
    reason: str

    def autocast(self) -> AbstractContextManager[Any]:
        """The context of a forward pass."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=_DTYPES[self.precision])


def choose(requested: Literal["auto", "fp32", "bf16", "fp16"]) -> Arithmetic:
    """CUDA where there is one, with bf16 where it has it; float32 on a CPU. Raises ConfigError."""
    if not torch.cuda.is_available():
        if requested == "fp16":
            raise ConfigError(
                "precision: fp16 needs a CUDA device; allowed here are auto, fp32 and bf16"
            )
        precision: Precision = "fp32" if requested == "auto" else requested
        return Arithmetic(torch.device("cpu"), precision, "no CUDA device was found")
    name = torch.cuda.get_device_name()
    if requested != "auto":
        return Arithmetic(torch.device("cuda"), requested, f"{name}, as the configuration asks")
    chosen: Precision = "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    return Arithmetic(torch.device("cuda"), chosen, f"{name}; bf16 where the device has it")
