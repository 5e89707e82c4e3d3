"""Recorded work is the work: what changes from step to step is read anew, and what a graph cannot hold is refused."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from cuda_bench import REAL, device
from simulated_streams import SideStream

from alexnet.engines import Scalar
from alexnet.engines.cuda import CudaEngine
from alexnet.engines.cuda.device import Array
from alexnet.engines.cuda.recorder import KEPT
from alexnet.engines.maps import FLOAT


class Descent:
    """Five weights that descend along a gradient of ones; `calls` counts how often the work itself was called."""

    def __init__(self, *, records: bool = True) -> None:
        self.engine, self.calls = CudaEngine(device("fp32", 1), records=records), 0
        self.w, self.v, self.g = (self.engine.upload(np.full(5, value, np.float32)) for value in (0, 0, 1))

    def __call__(self, numbers: Sequence[Scalar]) -> None:
        self.calls += 1
        rate, momentum, decay = numbers
        self.engine.ops.sgd(self.w, self.v, self.g, rate=rate, momentum=momentum, decay=decay)

    def run(self, rates: Sequence[float], form: Callable[[int], int] = lambda step: 0) -> list[float]:
        """The weight after each step."""
        weights = []
        for step, rate in enumerate(rates):
            self.engine.repeat(self, [rate, 0.5, 0.0], (form(step),))
            weights.append(float(self.engine.download(self.w)[0]))
        return weights


RATES = [0.5, 0.25, 1.0, 0.125, 2.0]


def descended(rates: Sequence[float]) -> list[float]:
    weight, velocity, weights = np.float32(0), np.float32(0), []
    for rate in rates:
        velocity = np.float32(0.5) * velocity - np.float32(rate)
        weight += velocity
        weights.append(float(weight))
    return weights


@pytest.mark.parametrize(("records", "calls"), [(True, 2), (False, len(RATES))])
def test_numbers_are_read_at_each_launch(records: bool, calls: int) -> None:
    work = Descent(records=records)
    assert work.run(RATES) == descended(RATES)
    assert work.calls == calls, "once plainly, once to be recorded" if records else "each time"


def test_a_number_that_is_frozen_shows() -> None:
    """What the test above would see, had the graph kept the number of its recording."""

    class Frozen(Descent):
        def __call__(self, numbers: Sequence[Scalar]) -> None:
            super().__call__([self.kept, *numbers[1:]])

        kept: Array

    work = Frozen()
    work.kept = work.engine.upload(np.array(RATES[0]))
    assert work.run(RATES) != descended(RATES)


@pytest.mark.parametrize("forms", [3, KEPT, KEPT + 1])
def test_each_form_is_recorded_while_there_is_room(forms: int) -> None:
    work, rates = Descent(), RATES * 8
    assert work.run(rates, lambda step: step % forms) == descended(rates)
    assert work.calls == (2 * forms if forms <= KEPT else len(rates))


def test_more_numbers_than_before_are_recorded_anew() -> None:
    work = Descent()
    work.run(RATES)

    def twice(numbers: Sequence[Scalar]) -> None:
        work(numbers[:3])
        work(numbers[3:])

    before = float(work.engine.download(work.w)[0])
    for _ in range(3):
        work.engine.repeat(twice, [1.0, 0.0, 0.0, 2.0, 0.0, 0.0], (1,))
    assert float(work.engine.download(work.w)[0]) == before - 3 * (1 + 2)


def test_numbers_that_moved_are_not_read_where_they_were() -> None:
    """A form with more numbers moves them all: what was recorded before reads the new ones."""
    work = Descent()
    work.run(RATES)
    work.engine.repeat(lambda numbers: None, [9.0] * 64, ("longer",))
    before = float(work.engine.download(work.w)[0])
    for rate in (0.5, 2.0):
        work.engine.repeat(work, [rate, 0.0, 0.0], (0,))
    assert float(work.engine.download(work.w)[0]) == before - 0.5 - 2.0


@pytest.mark.skipif(REAL, reason="CUDA has its own rules, which the simulated device imitates")
@pytest.mark.parametrize(
    ("act", "refused"),
    [
        (lambda engine, array: array.download(), "a copy to the host"),
        (lambda engine, array: engine.upload(np.zeros(5, np.float32)), "memory is asked for"),
        (lambda engine, array: array.__setitem__(..., np.zeros(5, np.float32)), "a copy from the host"),
        (lambda engine, array: engine.device.main.synchronize(), "a wait of the host"),
        (lambda engine, array: engine.device.main.wait_for(engine.device.stream()), "a wait for another stream"),
    ],
)
def test_what_a_graph_cannot_hold_is_refused(act: Callable[[CudaEngine, Array], None], refused: str) -> None:
    engine = CudaEngine(device("fp32", 1))
    array = Array.empty(engine.device, (5,), FLOAT)
    engine.repeat(lambda numbers: act(engine, array), [], ())
    with pytest.raises(RuntimeError, match=f"{refused} while a graph is captured"):
        engine.repeat(lambda numbers: act(engine, array), [], ())
    array.download()  # and the device goes on


def seen_by_recorded_work() -> float:
    """What recorded work reads of a batch's memory, which is filled anew right after the launch, as a loader does."""
    engine = CudaEngine(device("fp32", 1))
    batch, seen = engine.maps(1, 3, 2, 2), engine.maps(1, 3, 2, 2)
    mean, shift = engine.upload(np.zeros((2, 2, 3), np.float32)), np.zeros((1, 3), np.float32)

    def fill(value: int) -> None:
        image = np.full((2, 2, 3), value, np.uint8)
        engine.ops.augment([image], mean, batch, np.zeros((1, 2), np.int32), np.zeros(1, np.uint8), shift, divide=1.0)

    for value in (1, 2, 3):
        fill(value)
        engine.repeat(lambda numbers: engine.ops.scale(batch, seen, factor=1.0), [], ())
    fill(4)
    return float(engine.unpack(seen, 1).max())


def test_a_batch_is_filled_anew_after_the_step_that_reads_it() -> None:
    assert seen_by_recorded_work() == 3


@pytest.mark.skipif(REAL, reason="the simulated device is always late")
def test_a_missing_wait_for_recorded_work_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SideStream, "wait_for", lambda self, other: None)
    assert seen_by_recorded_work() == 4
