"""Every test here runs on the CPU, marked `slow`, and on a CUDA device, marked `cuda`."""

import pytest
import torch

CUDA = pytest.param(
    "cuda",
    marks=[pytest.mark.cuda, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")],
)


# Other tests check the same on the CPU; this shows that these tests would run.
CPU = pytest.param("cpu", marks=pytest.mark.slow)


@pytest.fixture(params=[CPU, CUDA])
def device(request):
    """Name of the device."""
    return request.param
