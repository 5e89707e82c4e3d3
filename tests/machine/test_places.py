"""Where trainings run that do not wait for each other."""

import pytest

from alexnet.machine import hardware
from alexnet.machine.hardware import Hardware, Wanted, side_by_side


@pytest.fixture(autouse=True)
def five_cores(monkeypatch):
    monkeypatch.setattr(hardware, "cores", lambda: 5)
    monkeypatch.setattr(hardware, "_usable", lambda: (0, ""))


@pytest.mark.parametrize(("count", "places", "threads"), [(1, 1, 5), (2, 2, 2), (4, 4, 1), (5, 5, 1), (62, 5, 1)])
def test_cores_are_shared_out_among_as_many_as_there_are(count, places, threads):
    assert side_by_side(Wanted(), count) == [Wanted(device="cpu", procs=1, threads=threads)] * places


@pytest.mark.parametrize("wanted", [Wanted(procs=2), Wanted(threads=3), Wanted(gpus="1", threads=3)])
def test_there_is_one_place_where_processes_or_threads_were_asked_for(wanted):
    assert side_by_side(wanted, 4) == [wanted]


def test_each_gpu_is_a_place(monkeypatch):
    monkeypatch.setattr(hardware, "asked", lambda text: tuple(map(int, text.split(","))))
    assert side_by_side(Wanted(gpus="0,2,3"), 2) == [Wanted(gpus="0"), Wanted(gpus="2")]
    monkeypatch.setattr(hardware, "_usable", lambda: (3, ""))
    assert side_by_side(Wanted(), 9) == [Wanted(gpus="0"), Wanted(gpus="1"), Wanted(gpus="2")]
    assert side_by_side(Wanted(device="cpu"), 1) == [Wanted(device="cpu", procs=1, threads=5)]


def test_places_are_asked_for_by_options():
    assert Wanted(gpus="2").arguments() == ["--gpus", "2"]
    chosen = Wanted(device="cpu", procs=1, threads=2)
    assert chosen.arguments() == ["--device", "cpu", "--procs", "1", "--threads", "2"]


def test_what_was_said_is_not_said_again_to_the_processes_of_a_command():
    here = Hardware(gpus=(), processes=2, threads=3, precision="fp32")
    assert here.arguments(Wanted()) == ["--device", "cpu", "--procs", "2", "--threads", "3"]
    assert here.arguments(Wanted(device="cpu", procs=2)) == ["--threads", "3"]
    gpus = Hardware(gpus=(0, 2), processes=2, threads=3, precision="fp32")
    assert gpus.arguments(Wanted()) == ["--gpus", "0,2", "--threads", "3"]
    assert gpus.arguments(Wanted(gpus="0,2", threads=3)) == []
