"""Threads: as many as an engine was given, whoever calls it; what is thrown in one reaches the caller."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from comparison import F32, poisoned_maps

TASKS = Path("/proc/self/task")
NORESERVE = 0x4000  # mmap's own name is in Python 3.13


def in_a_process_of_its_own(build: ModuleType, what: str, **environment: str) -> None:
    """Runs the function `what` of this file, where nothing else has started threads."""
    command = [sys.executable, __file__, build.__name__.rpartition("_")[2], what]
    around = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | environment
    done = subprocess.run(command, env=around, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def started(act: Any) -> int:
    """How many threads there are after act() that were not before; those that have just ended do not count."""
    before = set(TASKS.iterdir())
    act()
    return len(set(TASKS.iterdir()) - before)


def elsewhere(act: Any) -> Any:
    """act() in another thread."""
    found: list[Any] = []
    beside = threading.Thread(target=lambda: found.append(act()))
    beside.start()
    beside.join()
    return found[0]


@pytest.mark.skipif(not TASKS.exists(), reason="counts a process's threads as Linux does")
def test_each_engine_keeps_its_own(build: ModuleType) -> None:
    in_a_process_of_its_own(build, "two_engines")


def two_engines(build: ModuleType) -> None:
    """Neither an engine made later nor one made in another thread changes how many threads another has."""
    x = np.ones((4, 8, 9, 9, 16), np.float32)
    wide = build.Direct(threads=3)
    narrow = elsewhere(lambda: build.Direct(threads=1))
    assert started(lambda: narrow.relu_forward(x, x)) == 0
    assert elsewhere(lambda: started(lambda: narrow.relu_forward(x, x))) == 0
    assert started(lambda: wide.relu_forward(x, x)) == 2
    assert started(lambda: wide.relu_forward(x, x)) == 0
    assert elsewhere(lambda: started(lambda: wide.relu_forward(x, x))) == 2


@pytest.mark.parametrize("threads", [0, -1])
def test_no_threads(build: ModuleType, threads: int) -> None:
    for kind in (build.Direct, build.Fast, build.OneImage):
        with pytest.raises(ValueError, match=f"^engine: needs at least one thread, got {threads}"):
            kind(threads=threads)


def convolved(ops: Any) -> F32:
    rng = np.random.default_rng(1)
    x, w = rng.standard_normal((3, 8, 9, 9, 16), np.float32), rng.standard_normal((12, 8, 3, 3), np.float32)
    y = poisoned_maps(48, 12, 9, 9)
    ops.conv_forward(x, w, np.zeros(12, np.float32), y, stride=1, pad=1, groups=1)
    return y


def test_fewer_threads_than_asked_for(build: ModuleType) -> None:
    """OpenMP may grant fewer: the result is the same."""
    in_a_process_of_its_own(build, "limited", OMP_THREAD_LIMIT="1")


def limited(build: ModuleType) -> None:
    for kind in (build.Direct, build.Winograd):
        narrow, wide = convolved(kind(threads=1)), convolved(kind(threads=5))
        assert np.isfinite(wide).all() and wide.tobytes() == narrow.tobytes()


def test_products_by_as_many_threads_as_large_machines_have(build: ModuleType) -> None:
    """OpenBLAS has a table of memory for threads that are in it at once, which grows once and then ends the process."""
    in_a_process_of_its_own(build, "multiplied")


def multiplied(build: ModuleType) -> None:
    rng = np.random.default_rng(1)
    x, w = rng.standard_normal((8, 64, 1, 1, 16), np.float32), rng.standard_normal((4096, 64), np.float32)
    wanted = np.einsum("om,nmpqi->nopqi", w.astype(np.float64), x)
    for threads in (64, 256):
        ops, y, dx = build.Direct(threads=threads), poisoned_maps(128, 4096, 1, 1), poisoned_maps(128, 64, 1, 1)
        dw, db = np.full_like(w, np.nan), np.full(4096, np.nan, np.float32)
        for _ in range(5):
            ops.fc_forward(x, w, np.zeros(4096, np.float32), y)
            ops.fc_backward_data(y, w, dx)
            ops.fc_backward_weights(x, y, dw, db)
        np.testing.assert_allclose(y, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())
        assert all(np.isfinite(each).all() for each in (dx, dw, db))


@pytest.mark.skipif(sys.platform != "linux", reason="needs memory that is only promised, as Linux has it")
def test_what_a_worker_throws_reaches_the_caller(engine: Any) -> None:
    """Maps of 8 TB that nobody touches: the scratch that workers ask for first is more than there are addresses."""
    maps = 2**37
    promised = mmap.mmap(-1, maps * 64, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | NORESERVE)
    x = np.frombuffer(promised, np.float32).reshape(1, maps, 1, 1, 16)
    settings = {"n": 5, "k": 1.0, "alpha": 0.1, "beta": 0.75}
    with pytest.raises(MemoryError):
        engine.lrn_backward(x, x, x, groups=2, **settings)
    small = np.ones((2, 8, 3, 3, 16), np.float32)
    dx = np.full_like(small, np.nan)
    engine.lrn_backward(small, small, dx, groups=2, **settings)
    assert np.isfinite(dx).all()


def test_other_threads_run_meanwhile(engine: Any) -> None:
    """Python sees an output that is written in part, which it could not if the call held its lock."""
    x = np.zeros((16, 64, 27, 27, 16), np.float32)
    end = time.monotonic() + 60  # on a busy machine many a call is over before this thread has its turn
    while time.monotonic() < end:
        y = np.full_like(x, np.nan)
        first, last = y[0, 0, 0, :1, 0], y[-1, -1, -1, -1:, -1]
        beside = threading.Thread(target=engine.tanh_forward, args=(x, y))
        beside.start()
        between = False
        while beside.is_alive():
            between = between or bool(not np.isnan(first[0]) and np.isnan(last[0]))
        beside.join()
        if between:
            return
    raise AssertionError("nobody saw the output while it was made")


if __name__ == "__main__":
    from conftest import load

    globals()[sys.argv[2]](load(sys.argv[1]))
