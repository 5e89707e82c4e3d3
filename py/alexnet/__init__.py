"""The two-column convolutional net of 2012 from Python: prepare images, train, and ask a trained net.

    run = alexnet.open_run("runs/grocery")
    run.predict(["cat.jpg"])                          # (1, classes) float32, by ten crops
    run.features(["cat.jpg"], "relu7")                # (1, 4096) float32
    run.evaluate(split="test")                        # top1, top5, probs, labels
    alexnet.train(data="data", recipe="alexnet-mini", epochs=5, listeners=[print])

What a call needs is imported when it is made. What a user can cause is raised as `alexnet.errors.Failure`, a line that
says what, where and what to do.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alexnet.data.shards import Dataset
    from alexnet.engines import Precision
    from alexnet.predict.run import Run
    from alexnet.recipe import Recipe
    from alexnet.train.start import Result
    from alexnet.train.trainer import Listener
    from data_prep import Prepared

__version__ = "0.2.0"
__all__ = ["load_recipe", "open_data", "open_run", "prepare", "train"]


def open_run(
    path: Path | str | None = None,
    *,
    gpu: int | None = None,
    threads: int | None = None,
    precision: "Precision | None" = None,
) -> "Run":
    """A trained run, the newest in ./runs where none is named, at its best checkpoint.

    It runs on GPU number `gpu`, else on the CPU in `threads` threads (default: the cores).
    """
    from alexnet.machine.hardware import Wanted
    from alexnet.predict.run import open_run

    wanted = Wanted(device="cpu", threads=threads) if gpu is None else Wanted(gpus=str(gpu))
    return open_run(path, wanted=wanted, precision=precision)


def open_data(path: Path | str = "data") -> "Dataset":
    """Prepared data: `.mean` (S, S, 3), `.classes`, and `.split("val")` with `.image(0)` (S, S, 3) uint8, `.labels`."""
    from alexnet.data.shards import Dataset

    return Dataset(Path(path))


def load_recipe(source: Path | str, changes: Mapping[str, Any] | None = None) -> "Recipe":
    """A recipe by its name or file, with dotted keys set, such as {"train.batch": 64, "net.conv1.kernels": 48}."""
    from alexnet.recipe import load

    recipe = load(source)
    return recipe.with_changes(changes) if changes else recipe


def prepare(
    source: Path | str,
    out: Path | str = "data",
    *,
    size: int = 256,
    workers: int | None = None,
    seed: int = 0,
    val_share: float | None = None,
    test_share: float | None = None,
    limit: int | dict[str, int] | None = None,
) -> "Prepared":
    """Images, a folder per class or a known dataset's files, into shards of size x size with mean and colour axes.

    The shares are those of train that become val and test where the source has none; `limit` is the images per class.
    How it goes is told on standard error.
    """
    from data_prep import PrepOptions, prepare

    options = PrepOptions(
        size=size, workers=workers, seed=seed, limit=limit, val_share=val_share, test_share=test_share
    )
    return prepare(Path(source), Path(out), options)


def train(
    data: Path | str = "data",
    recipe: "Path | str | Recipe" = "alexnet",
    *,
    out: Path | str | None = None,
    resume: bool = False,
    epochs: int | None = None,
    steps: int | None = None,
    init: Sequence[str] = (),
    seed: int | None = None,
    gpu: int | None = None,
    threads: int | None = None,
    listeners: "Sequence[Listener]" = (),
) -> "Result":
    """Train a net in this process, on one GPU or the CPU; `alexctl train` trains in one process per column.

    The run's folder is `out`, or a new one in ./runs. Each listener gets every row of the log: a dict with `event`, or
    of a step `step`, `epoch`, `loss`, `top1_error`, `rate`, `images_per_s`, or of a validation `val_loss`,
    `val_top1_error`, `val_top5_error`. `init` names first weights as FILE[:LAYERS].
    """
    from alexnet.machine.hardware import Wanted
    from alexnet.train.start import Options, train

    wanted = Wanted(device="cpu", procs=1, threads=threads) if gpu is None else Wanted(gpus=str(gpu))
    options = Options(
        data=Path(data),
        recipe=recipe,
        out=None if out is None else Path(out),
        resume=resume,
        epochs=epochs,
        steps=steps,
        init=tuple(init),
        seed=seed,
        wanted=wanted,
    )
    return train(options, listeners)
