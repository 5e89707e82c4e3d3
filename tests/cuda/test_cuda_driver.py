"""GPUs are what CUDA's own library lists: not what /proc does, which WSL and containers lack."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cuda_fake_cupy import FakeCupy, install
from cuda_fake_driver import driver

from alexnet.errors import Failure
from alexnet.machine import devices
from alexnet.machine.devices import Gpu, gpus
from alexnet.machine.hardware import Wanted, asked, choose


def use(monkeypatch: pytest.MonkeyPatch, library: Path, proc: Path) -> None:
    monkeypatch.setattr(devices, "LIBRARY", str(library))
    monkeypatch.setattr(devices, "_VERSION", proc)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_each_gpu_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, driver(tmp_path, 2), tmp_path / "absent")
    assert gpus() == [
        Gpu("Likeness 0 of a GPU", 80 << 30, "9.1", "0000:00:00.0"),
        Gpu("Likeness 1 of a GPU", 80 << 30, "9.1", "0000:01:00.0"),
    ]
    assert devices.driver() == "for CUDA 13.2"


def test_the_driver_s_own_line_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version = tmp_path / "version"
    version.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.95\nGCC version: 12\n")
    use(monkeypatch, driver(tmp_path, 1), version)
    assert devices.driver() == "NVIDIA UNIX x86_64 Kernel Module  580.95"


@pytest.mark.parametrize(
    ("count", "proc", "visible", "why"),
    [
        (None, False, None, "this machine has no NVIDIA driver"),
        (None, True, None, "not its library .*container"),
        (0, True, None, "shows no GPU$"),
        (0, False, "", "shows no GPU with CUDA_VISIBLE_DEVICES=$"),
    ],
)
def test_why_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int | None, proc: bool, visible: str | None, why: str
) -> None:
    library = tmp_path / "absent" if count is None else driver(tmp_path, count)
    version = tmp_path / "version"
    if proc:
        version.touch()
    use(monkeypatch, library, version)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpus() == []
    with pytest.raises(Failure, match=rf"--gpus 0: .*{why.rstrip('$')}.*; use --device cpu"):
        asked("0")
    chosen = choose(Wanted(), 2, "fp32")
    assert (chosen.gpus, chosen.note) == ((), "")


def test_no_device_is_none_and_a_broken_driver_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "none").mkdir()
    use(monkeypatch, driver(tmp_path / "none", 1, init=100), tmp_path / "absent")
    assert gpus() == []
    use(monkeypatch, driver(tmp_path, 1, init=803), tmp_path / "absent")
    with pytest.raises(Failure, match=r"cannot be used \(CUDA error 803: the driver and its library differ\)"):
        gpus()
    assert "803" in choose(Wanted(), 2, "fp32").note


def test_gpus_are_taken_unasked_where_they_can_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(FakeCupy(3), monkeypatch)
    use(monkeypatch, driver(tmp_path, 3), tmp_path / "absent")
    assert choose(Wanted(), 2, "fp32").gpus == (0, 1)
    assert choose(Wanted(), 2, "fp32").device == "Likeness 0 of a GPU, Likeness 1 of a GPU"
    assert choose(Wanted(gpus="2"), 2, "fp32").gpus == (2,)
    assert choose(Wanted(), 4, "fp32").gpus == (0,)
    with pytest.raises(Failure, match=r"--gpus 3: CUDA finds 3 here, Likeness 0"):
        asked("3")
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert "CuPy cannot be loaded" in choose(Wanted(), 2, "fp32").note
    with pytest.raises(Failure, match="CuPy cannot be loaded"):
        asked("0")


def test_an_old_gpu_is_not_taken_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(FakeCupy(1), monkeypatch)
    use(monkeypatch, driver(tmp_path, 1, capability=7), tmp_path / "absent")
    chosen = choose(Wanted(), 2, "fp32")
    assert chosen.gpus == () and "Likeness 0 of a GPU has compute capability 7.1; 8.0 is needed" in chosen.note


def test_doctor_finds_the_library_by_its_name(tmp_path: Path) -> None:
    driver(tmp_path, 2)
    environment = os.environ | {"LD_LIBRARY_PATH": str(tmp_path), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "alexnet", "doctor", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1])["gpus"] == "Likeness 0 of a GPU, Likeness 1 of a GPU"
