"""Every test here runs on the CPU and, marked `cuda`, on a CUDA device."""

import pytest
import torch

CUDA = pytest.param(
    "cuda",
    marks=[pytest.mark.cuda, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")],
)


@pytest.fixture(params=["cpu", CUDA])
def device(request):
    """Name of the device."""
    return request.param
