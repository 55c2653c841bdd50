"""What the runtime says of a call that failed comes in; what became of the device goes out.

InferenceFailed
├── OutOfMemory   the batch was too large for the device's memory; a smaller one may fit
└── DeviceLost    the device answers no more calls, or none of this session's
"""

import re

from service.errors import InferenceFailed


class OutOfMemory(InferenceFailed):
    """The batch did not fit into the device's memory; the session lives on."""


class DeviceLost(InferenceFailed):
    """The device, or this session's hold on it, is gone; only opening it anew can help."""


_MEMORY = re.compile(
    r"out of memory|failed to allocate memory|bad_alloc|bad allocation|_ALLOC_FAILED"
    r"|smaller than requested bytes|CUDA failure 2\b",
    re.IGNORECASE,
)
"""What onnxruntime's arena, cuBLAS, cuDNN and the driver (cudaErrorMemoryAllocation) say."""

_CODES = (
    "3|4|46|100|101|201|214|215|220|226|"  # Shut down, unavailable, absent, not correctable (ECC).
    "700|702|709|71\\d|800|802|804|999"  # Illegal access, a launch that failed, context destroyed.
)
_LOST = re.compile(
    rf"(?:CUDA|CUDART) (?:failure|error) (?:{_CODES})\b"
    r"|device-side assert|unspecified launch failure|illegal memory access"
    r"|CUDA-capable device\(s\) is/are busy|no CUDA-capable device|uncorrectable ECC"
    r"|(?:CUDNN|CUBLAS)_STATUS_(?:EXECUTION_FAILED|INTERNAL_ERROR|MAPPING_ERROR|NOT_INITIALIZED)",
    re.IGNORECASE,
)
"""Codes of cudaError_t after which a context or a device is not to be used again; cuBLAS and cuDNN
say so in words. A shape or a type that they do not support says nothing about the device.
"""


def trouble(said: str) -> type[InferenceFailed]:
    """The class of a call's failure by all that the runtime said of it."""
    if _MEMORY.search(said):
        return OutOfMemory
    return DeviceLost if _LOST.search(said) else InferenceFailed
