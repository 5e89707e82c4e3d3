"""Who may use the threads: whoever set them; a thread that works beside it has one."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

TASKS = Path("/proc/self/task")


@pytest.mark.skipif(not TASKS.exists(), reason="counts a process's threads as Linux does")
def test_a_thread_beside_has_one(engine: Any) -> None:
    """In a process of its own, where nothing else has started threads."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, __file__, engine.__name__.rpartition("_")[2]]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def started(act: Any) -> int:
    """How many threads there are after act() that were not before; those that have just ended do not count."""
    before = set(TASKS.iterdir())
    act()
    return len(set(TASKS.iterdir()) - before)


def main(isa: str) -> None:
    from conftest import load

    engine = load(isa)
    x = np.ones((4, 8, 9, 9, 16), np.float32)
    found: list[int] = []
    engine.set_threads(3)
    beside = threading.Thread(target=lambda: found.append(started(lambda: engine.relu_forward(x, x))))
    beside.start()
    beside.join()
    assert found == [0], found
    more = started(lambda: engine.relu_forward(x, x))
    assert more == 2, more


if __name__ == "__main__":
    main(sys.argv[1])
