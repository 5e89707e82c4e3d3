"""`import cupy` on a machine that plays having GPUs: as many as its driver says."""

import pytest
from cuda_fake_cupy import FakeCupy, install

from alexnet.machine.devices import gpus

install(FakeCupy(len(gpus())), pytest.MonkeyPatch())
