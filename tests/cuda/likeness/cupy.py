"""`import cupy` on a machine that plays having GPUs: as many as ALEXNET_LIKENESSES says, or one."""

import os

import pytest
from cuda_fake_cupy import FakeCupy, install

install(FakeCupy(int(os.environ.get("ALEXNET_LIKENESSES", "1"))), pytest.MonkeyPatch())
