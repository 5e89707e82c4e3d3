"""`import cupy` on a machine that plays having one GPU."""

import sys

from cuda_fake_cupy import FakeCupy

from alexnet.engines.cuda import cublas, gpu

_fake = FakeCupy()
cublas.library = lambda cupy: _fake.libcublas
gpu.prebuilt = lambda precision: None  # a fat binary is for a real device
sys.modules[__name__] = _fake  # type: ignore[assignment]
