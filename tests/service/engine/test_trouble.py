"""What the runtime says, and what that means for the device."""

import pytest

from service.engine.trouble import DeviceLost, OutOfMemory, trouble
from service.errors import InferenceFailed

MEMORY = (
    "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Exception during initialization: "
    "bfc_arena.cc:376 Failed to allocate memory for requested buffer of size 1207959552",
    "bfc_arena.cc:342 Available memory of 1048576 is smaller than requested bytes of 4194304",
    "CUDA failure 2: out of memory ; GPU=0 ; hostname=a ; expr=cudaMalloc((void**)&p, size);",
    "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0 ; expr=cublasCreate(&handle);",
    "CUDNN failure 4000: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED; out of memory",
    "std::bad_alloc",
)
LOST = (
    "CUDA failure 700: an illegal memory access was encountered ; GPU=0 ; hostname=a",
    "CUDA failure 710: device-side assert triggered ; GPU=0",
    "CUDA failure 719: unspecified launch failure ; GPU=1",
    "CUDA failure 999: unknown error ; GPU=0",
    "CUDA failure 46: CUDA-capable device(s) is/are busy or unavailable ; GPU=0",
    "CUDA failure 100: no CUDA-capable device is detected ; GPU=-1",
    "CUDA failure 214: uncorrectable ECC error encountered",
    "CUBLAS failure 13: CUBLAS_STATUS_EXECUTION_FAILED ; GPU=0",
    "CUDNN failure 5000: CUDNN_STATUS_EXECUTION_FAILED ; GPU=0",
)
NEITHER = (
    "indices element out of data bounds, idx=1000000 must be within the inclusive range [-300,299]",
    "CUBLAS failure 15: CUBLAS_STATUS_NOT_SUPPORTED ; GPU=0",
    "CUDA failure 1: invalid argument ; GPU=0",
    "Got invalid dimensions for input: input_ids",
    "",
)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        *((said, OutOfMemory) for said in MEMORY),
        *((said, DeviceLost) for said in LOST),
        *((said, InferenceFailed) for said in NEITHER),
    ],
)
def test_a_failure_is_told_by_what_the_runtime_says(said: str, kind: type[InferenceFailed]) -> None:
    assert trouble(said) is kind


def test_callers_over_http_see_one_code_whatever_became_of_the_device() -> None:
    for kind in (OutOfMemory, DeviceLost):
        assert (kind.status, kind.code) == (InferenceFailed.status, InferenceFailed.code)
