"""The trainer, its loader and its checkpoints on the CUDA engine: it does not know which engine runs."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cuda_bench import REAL, device
from simulated_streams import Recording

from alexnet.data.shards import Dataset
from alexnet.engines import Scalar
from alexnet.engines.cpu import CpuEngine
from alexnet.engines.cuda import CudaEngine
from alexnet.engines.cuda.device import NUMBER, Array
from alexnet.engines.cuda.recorder import Recorder
from alexnet.errors import Failure
from alexnet.links.solo import SoloLink
from alexnet.net.net import Net
from alexnet.recipe import load
from alexnet.runs.checkpoint import read
from alexnet.runs.log import Row
from alexnet.train.trainer import Trainer

HERE = Path(__file__).parent
Work = Callable[[Sequence[Scalar]], None]
REPEAT = Recorder.repeat


def begin(engine: object, data: Path, run: Path, *changes: str) -> Trainer:
    (run / "checkpoints").mkdir(parents=True)
    recipe = load(str(HERE / "small.toml"), changes)
    trainer = Trainer(run, Dataset(data), recipe, 1, engine, SoloLink(2))  # type: ignore[arg-type]
    trainer.begin([])
    return trainer


def train(engine: object, data: Path, run: Path, steps: int, *changes: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:  # type: ignore[type-arg]
    """The losses of each step, and the weights at the end."""
    rows: list[Row] = []
    assert begin(engine, data, run, *changes).run(steps, [rows.append])
    told = [row for row in rows if "loss" in row]
    assert [row["step"] for row in told] == list(range(1, steps + 1))
    losses = [row["loss"] for row in told]
    return np.array(losses), read(run / "checkpoints" / f"step-{steps:08d}.h5").weights


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:  # type: ignore[type-arg]
    return all(np.array_equal(values, other[name]) for name, values in one.items())


def test_training_follows_the_cpu_engine(data: Path, tmp_path: Path) -> None:
    cpu, cpu_weights = train(CpuEngine(1), data, tmp_path / "cpu", 6)
    cuda, cuda_weights = train(CudaEngine(device("fp32", 1)), data, tmp_path / "cuda", 6)
    assert len(cuda) == 6
    assert np.abs(cuda / cpu - 1).max() <= 1e-4
    for name, values in cpu_weights.items():
        assert np.abs(cuda_weights[name] - values).max() <= 1e-4 * np.abs(values).max(), name


def test_the_same_training_twice_is_the_same_bit_for_bit(data: Path, tmp_path: Path) -> None:
    runs = [train(CudaEngine(device("bf16", seed)), data, tmp_path / str(seed), 6) for seed in (1, 2)]
    assert np.array_equal(runs[0][0], runs[1][0])
    assert same(runs[0][1], runs[1][1])


CHANGES = "train.epochs=8", "train.schedule=epochs", "train.drop_epochs=[2,4]"
STEPS = 14


@pytest.fixture(scope="module")
def plain(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
    """The weights after a training whose steps are not recorded."""
    engine = CudaEngine(device("fp32", 1), records=False)
    return train(engine, data, tmp_path_factory.mktemp("plain") / "run", STEPS, *CHANGES)[1]


def launches(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Every launch of a graph from now on."""
    seen: list[object] = []
    launch = Recording.launch

    def counted(self: Recording) -> None:
        seen.append(self)
        launch(self)

    monkeypatch.setattr(Recording, "launch", counted)
    return seen


@pytest.mark.skipif(REAL, reason="counts the simulated device's graphs")
def test_recorded_steps_are_the_steps(
    data: Path, tmp_path: Path, plain: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[type-arg]
    graphs = launches(monkeypatch)
    weights = train(CudaEngine(device("fp32", 1)), data, tmp_path / "run", STEPS, *CHANGES)[1]
    assert same(weights, plain)
    assert len(graphs) > STEPS / 3 and len(graphs) > len(set(map(id, graphs))), "steps were not replayed"


def frozen_numbers(self: Recorder, work: Work, numbers: Sequence[float], fixed: tuple[Any, ...]) -> None:
    """A recorder whose graphs keep the numbers of their recording."""
    kept = [Array.empty(self._device, (), NUMBER) for _ in numbers]
    for place, number in zip(kept, numbers, strict=True):
        place[...] = np.array(number, np.float64)
    REPEAT(self, lambda places: work(kept), numbers, fixed)


def without_images(self: Recorder, work: Work, numbers: Sequence[float], fixed: tuple[Any, ...]) -> None:
    """A recorder that takes one batch's memory for another's, which the loader may be filling."""
    net, _, now, *rest = fixed
    REPEAT(self, work, numbers, (net, now, *rest[:-1]))  # labels, where there are any, lie beside the images


@pytest.mark.skipif(REAL, reason="one device shows it")
@pytest.mark.parametrize("fault", [frozen_numbers, without_images])
def test_a_recorder_that_freezes_what_changes_is_caught(
    data: Path, tmp_path: Path, plain: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch, fault: Any
) -> None:  # type: ignore[type-arg]
    monkeypatch.setattr(Recorder, "repeat", fault)
    try:
        weights = train(CudaEngine(device("fp32", 1)), data, tmp_path / "run", STEPS, *CHANGES)[1]
    except Failure as failure:
        assert "not finite" in str(failure)
    else:
        assert not same(weights, plain)


def test_the_host_is_a_step_ahead_of_what_it_reads(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step's numbers are waited for once the next step is given; before a checkpoint nothing is left unread."""
    seen: list[str] = []
    step, fetch = Net.step, CudaEngine.fetch

    def given(self: Net, *arguments: Any) -> None:
        seen.append("given")
        step(self, *arguments)

    def asked(self: CudaEngine, values: Array) -> Callable[[], Any]:
        read = fetch(self, values)

        def told() -> Any:
            seen.append("read")
            return read()

        return told

    monkeypatch.setattr(Net, "step", given)
    monkeypatch.setattr(CudaEngine, "fetch", asked)
    monkeypatch.setattr(Trainer, "_checkpoint", lambda self, best: seen.append("kept"))
    begin(CudaEngine(device("fp32", 1)), data, tmp_path / "run", "train.checkpoint_steps=3").run(4)
    assert seen == ["given", "given", "read", "given", "read", "read", "kept", "given", "read", "kept"]


@pytest.mark.parametrize("engine", [lambda: CpuEngine(1), lambda: CudaEngine(device("fp32", 1))], ids=["cpu", "cuda"])
def test_a_loss_that_is_not_finite_leaves_no_checkpoint(data: Path, tmp_path: Path, engine: Any) -> None:
    """The step's update has been made when its loss is read; what it spoiled is not kept."""
    trainer = begin(engine(), data, tmp_path / "run", "train.rate=1e25", "train.checkpoint_steps=1")
    rows: list[Row] = []
    with pytest.raises(Failure, match=r"step 1: the loss is not finite \(.*\); .*step-00000001.h5 is whole"):
        trainer.run(6, [rows.append])
    kept = [path.name for path in (tmp_path / "run" / "checkpoints").glob("step-*.h5")]
    assert kept == ["step-00000001.h5"]
    assert [row["step"] for row in rows if "loss" in row] == [1]
