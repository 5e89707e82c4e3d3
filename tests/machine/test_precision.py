"""Which precisions the CPU computes in, and what is said where it cannot."""

import sys

import pytest

from alexnet import _engine_base  # type: ignore[attr-defined]
from alexnet.engines import native
from alexnet.engines.cpu import CpuEngine
from alexnet.errors import Failure
from alexnet.machine import hardware
from alexnet.machine.hardware import Hardware, Wanted, alone, assemble, choose
from alexnet.machine.survey import survey

CPU = Wanted(device="cpu")


@pytest.fixture
def has_amx(monkeypatch):
    """Sets whether the processor has AMX; nobody asks for its model."""
    monkeypatch.delenv(native.MODEL, raising=False)
    return lambda answer: monkeypatch.setattr(_engine_base, "has_amx", lambda: answer)


def test_bf16_without_amx_is_refused_in_a_line(has_amx):
    has_amx(False)
    line = r"^engine\.precision = bf16: this processor has no AMX; use --gpus, or --precision fp32$"
    for refused in (lambda: choose(CPU, 2, "bf16"), lambda: alone(CPU, "bf16"), lambda: CpuEngine(1, precision="bf16")):
        with pytest.raises(Failure, match=line):
            refused()
    assert survey()["bf16"].startswith("engine.precision = bf16: this processor has no AMX; ")
    assert survey()["bf16"].endswith("(tests have a model of AMX)")


def test_the_build_for_amx_is_taken_where_the_processor_has_it(has_amx):
    """It loads anywhere; what it computes is held to the model by tests/engine/test_bf16.py, on such a processor."""
    built = pytest.importorskip("alexnet._engine_amx", reason="built without AMX")
    has_amx(True)
    assert native.bf16() is built and built.TILES == "AMX"
    assert type(alone(CPU, "bf16").ops).__module__ == built.__name__ and survey()["bf16"] == "AMX"


def test_a_package_built_without_amx_is_refused_in_a_line(has_amx, monkeypatch):
    has_amx(True)
    monkeypatch.setitem(sys.modules, "alexnet._engine_amx", None)
    with pytest.raises(Failure, match=r"the compiled engine has no AMX .*; install the project again"):
        choose(CPU, 2, "bf16")


def test_a_package_that_was_not_built_is_told_in_a_line(monkeypatch):
    monkeypatch.delenv(native.MODEL, raising=False)
    monkeypatch.setitem(sys.modules, "alexnet._engine_base", None)
    with pytest.raises(Failure, match=r"^the compiled engine cannot be loaded .*; install the project again$"):
        choose(CPU, 2, "bf16")


def test_the_model_of_amx_is_for_those_who_ask_for_it(has_amx, monkeypatch):
    has_amx(False)
    monkeypatch.setenv(native.MODEL, "1")
    hardware = choose(CPU, 2, "bf16")
    assert (hardware.precision, hardware.name) == ("bf16", "the CPU in bf16")
    engine = alone(CPU, "bf16")
    assert isinstance(engine, CpuEngine) and type(engine.ops).__name__ == "Bf16"
    assert engine.for_test(1) is engine and engine.beside().precision == "bf16"
    assert survey()["bf16"] == "a model of AMX in C++, for tests (ALEXNET_AMX_MODEL is set)"


def test_a_run_in_bf16_is_asked_in_fp32_where_no_precision_is_named(has_amx):
    has_amx(False)
    assert alone(CPU, trained_in="bf16").precision == "fp32"


def test_tf32_is_no_precision_of_the_cpu():
    with pytest.raises(Failure, match=r"^engine\.precision = tf32: .*; use --gpus, or --precision fp32$"):
        choose(CPU, 2, "tf32")


@pytest.mark.parametrize("fast", [False, True])
def test_each_of_several_processes_convolves_as_the_recipe_says(monkeypatch, fast):
    monkeypatch.setattr(hardware.world, "started", lambda: 2)
    monkeypatch.setattr("alexnet.links.mpi.MpiLink", lambda columns: columns)
    engine, link = assemble(Hardware(gpus=(), processes=2, threads=1, precision="fp32"), 2, fast=fast)
    assert isinstance(engine, CpuEngine) and engine.fast is fast and link == 2
