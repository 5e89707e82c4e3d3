"""Training: gradient descent over the stream of images, with validation, checkpoints, and changes by hand."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet.data.shards import Dataset
from alexnet.engines import Engine, Floats
from alexnet.errors import Failure
from alexnet.links import Link
from alexnet.machine.signals import StopRequest, stop_request
from alexnet.metrics import misses
from alexnet.net.layers import Parameter, Pass
from alexnet.net.net import Net
from alexnet.predict.predictor import Predictor, centre_crop, predict_split
from alexnet.recipe import Recipe, overlaid
from alexnet.recipe.spec import Weighted
from alexnet.recipe.topology import topology
from alexnet.runs import control
from alexnet.runs.checkpoint import Checkpoint, Shelf, write
from alexnet.runs.log import Row
from alexnet.train.loader import Loader
from alexnet.train.schedule import Schedule
from alexnet.train.stream import Stream, streams

Listener = Callable[[Row], None]  # gets each row of the log


@dataclass
class Progress:
    """Where a training stands; with the weights and momenta it is all that a checkpoint needs."""

    step: int = 0
    schedule: Schedule = field(default_factory=Schedule)
    changes: dict[str, Any] = field(default_factory=dict)  # made by hand

    def state(self) -> dict[str, Any]:
        """Plain values for a checkpoint."""
        return {"step": self.step, "schedule": self.schedule.state(), "changes": self.changes}

    @classmethod
    def restored(cls, state: dict[str, Any]) -> "Progress":
        """From `state()`; raises KeyError where a value is missing."""
        return cls(state["step"], Schedule.restored(state["schedule"]), state["changes"])


@dataclass(frozen=True)
class _Given:
    """A step that was given to the engine: its row of the log but for its numbers, whose call waits for them."""

    step: int
    epoch: float
    rate: float
    batch: int
    start: float
    sums: Callable[[], NDArray[np.float64]]


class Trainer:
    """One process of a training. All processes go through the same steps; the first one writes the files."""

    def __init__(
        self,
        run: Path,
        data: Dataset,
        recipe: Recipe,
        seed: int,
        engine: Engine,
        link: Link,
        name: str = "",
    ) -> None:
        """`name` is what the recipe is called; of it hangs nothing that is computed."""
        self.name = name
        self.run_path, self.data, self.recipe, self.seed = run, data, recipe, seed
        self.engine, self.link = engine, link
        self._listeners: Sequence[Listener] = ()
        self._given: _Given | None = None
        self._streams = streams(recipe, data.counts, seed)
        self.own = link.place.slice_of(recipe.train.batch)
        if not self.own:
            raise Failure(f"train.batch = {recipe.train.batch}: too small for {link.place.replicas} replicas")
        if recipe.augment.crop == "random" and recipe.augment.offsets > data.size - recipe.net.crop + 1:
            raise Failure(
                f"augment.offsets = {recipe.augment.offsets}: images of {data.size} leave "
                f"{data.size - recipe.net.crop + 1} positions for a crop of {recipe.net.crop}; use at most that"
            )
        if recipe.data.mean == "centre" and recipe.net.crop == data.size:
            raise Failure(f'data.mean = "centre": crops of {data.size} have no other middle; leave it at "pixels"')
        shapes = topology(recipe.net, len(data.classes))
        self.net = Net(shapes, engine, link, len(self.own), training=True)
        self.at = Progress()
        self.shelf = Shelf(run)

    @property
    def stream(self) -> Stream:
        """The images of the step at which the training stands."""
        return next(each for each in reversed(self._streams) if each.first_step <= self.at.step)

    def begin(self, weights: Sequence[Mapping[str, Floats]]) -> None:
        """Start from random weights, and from those given for all or some layers."""
        self.net.initialise(self.seed)
        for each in weights:
            self.net.load(each)

    def restore(self, saved: Checkpoint) -> None:
        """Go on from a checkpoint."""
        self.net.load(saved.weights, saved.momenta)
        self.at = Progress.restored(saved.state)

    def last_step(self, asked: int | None) -> int:
        """The step at which a training ends: the one asked for, else that of the recipe's last epoch."""
        if asked is not None:
            return asked
        epochs = self.recipe.train.epochs
        return next(each for each in reversed(self._streams) if each.first_epoch < epochs).steps(epochs)

    def run(self, last_step: int, listeners: Sequence[Listener] = ()) -> bool:
        """Train up to `last_step`, each row of the log told to `listeners`; false where a signal stopped it before.

        Raises Failure where the loss or a weight is not finite, or a file cannot be read or written.
        """
        self._listeners = listeners
        with stop_request() as stop:
            return self._steps(last_step, stop)

    def _tell(self, row: Row) -> None:
        for listener in self._listeners:
            listener(row)

    def _steps(self, last: int, stop: StopRequest) -> bool:
        first = self.link.rank == 0
        while self.at.step < last and not self.at.schedule.finished:
            self._refresh()
            with closing(self._loader()) as loader:
                while self.at.step < last and not self.at.schedule.finished:
                    if self.link.any(stop.raised or (first and control.waiting(self.run_path))):
                        self._tell_step()
                        if self.link.any(stop.raised):
                            self._checkpoint(best=False)
                            return False
                        self._take_changes()
                        break
                    self._step(loader)
                    if self._after_step(last):
                        break
        self._tell_step()
        return True

    def _loader(self) -> Loader:
        return Loader(self.engine, self.data, self.now, self.stream, self.link.place, self.at.step)

    def _refresh(self) -> None:
        """Hold to the recipe with the events of the epochs passed, and with what was changed by hand."""
        recipe = self.recipe.at_epoch(self.stream.epoch(self.at.step))
        self.now = recipe.with_changes(self.at.changes) if self.at.changes else recipe
        self._specs = {layer.name: layer for layer in self.now.net.layers if isinstance(layer, Weighted)}

    def _step(self, loader: Loader) -> None:
        """Give the engine forward, backward, update; its row of the log is told when its numbers are there.

        An engine that records its work is a step behind: the row is told once the next step is given to it too.
        """
        start, step = time.perf_counter(), self.at.step
        batch = loader.next()
        now = Pass(
            images=batch.count,
            batch=self.stream.batch,
            first_image=self.own.start,
            step=step,
            seed=self.seed,
            dropout=self.now.dropout,
            training=True,
        )
        self.net.step(batch.images, now, self._rates, self.now.train.momentum, batch.labels)
        loader.done(batch)
        sums = self.engine.fetch(self.net.sums)
        self.at.step += 1
        epoch, rate = self.stream.epoch(self.at.step), self.at.schedule.rate(self.now.train)
        self._tell_step(until=start)
        self._given = _Given(self.at.step, epoch, rate, self.stream.batch, start, sums)
        if not self.engine.records:
            self._tell_step()

    def _tell_step(self, until: float | None = None) -> None:
        """The row of the step that was given to the engine, if it is not told yet; the next one began at `until`.

        Raises Failure where its loss is not finite.
        """
        given, self._given = self._given, None
        if given is None:
            return
        loss, wrong = (float(each) / given.batch for each in self.link.total(given.sums()))
        if not np.isfinite(loss):
            last = self.shelf.named("latest")
            kept = f"{last} is whole" if last else "there is no checkpoint yet"
            raise Failure(f"step {given.step - 1}: the loss is not finite ({loss}); {kept}; use a smaller train.rate")
        row: Row = {
            "step": given.step,
            "epoch": given.epoch,
            "loss": loss,
            "top1_error": wrong,
            "rate": given.rate,
            "images_per_s": given.batch / ((until or time.perf_counter()) - given.start),
        }
        self._tell(row)

    def _rates(self, parameter: Parameter) -> tuple[float, float]:
        """The rate and the decay of a parameter at this step."""
        train, schedule = self.now.train, self.at.schedule
        spec = self._specs[parameter.spec.name]
        if parameter.is_bias:
            rate = schedule.rate(train) if train.bias_drops else train.rate
            return rate * spec.bias_rate_times, train.decay * spec.bias_decay_times
        return schedule.rate(train) * spec.rate_times, train.decay * spec.decay_times

    def _after_step(self, last: int) -> bool:
        """Validate and keep a checkpoint where it is time; true where the recipe's events change it from here on."""
        train, before, now = self.now.train, self.stream.epoch(self.at.step - 1), self.stream.epoch(self.at.step)
        self.at.schedule.reached(now, train)
        passes = self.stream.passes(self.at.step)
        new_epoch = passes > self.stream.passes(self.at.step - 1)
        due = new_epoch or self.at.step == last or self.at.step % train.checkpoint_steps == 0
        if due:
            self._tell_step()
        best = new_epoch and passes % train.validate_epochs == 0 and self._validate()
        if due:
            self._checkpoint(best)
        return any(before < event.epoch <= now for event in self.recipe.train.events)

    def _validate(self) -> bool:
        """Centre-crop error on the validation images; true where it is the best so far, or nothing better is known."""
        if not self.data.counts["val"]:
            return False
        if "val" in self.now.data.splits:
            return True
        split = self.data.split("val")
        mean, crops = self.recipe.subtracted(self.data.mean), centre_crop(self.data.size, self.recipe.net.crop)
        predictor = Predictor(self.net, mean, crops, self.now.dropout)
        chosen = self.link.place.slice_of(len(split))
        probs = predict_split(predictor, split, chosen)
        labels = split.labels[chosen.start : chosen.stop]
        if len(chosen):
            likely = np.maximum(probs[np.arange(len(chosen)), labels], np.finfo(np.float32).tiny)
            own = [
                -np.log(likely, dtype=np.float64).sum(),
                misses(probs, labels, 1),
                misses(probs, labels, 5),
            ]
        else:
            own = [0.0, 0.0, 0.0]
        loss, top1, top5 = (float(each) / len(split) for each in self.link.total(np.array(own)))
        best = self.at.schedule.validated(top1, self.now.train)
        row = {
            "step": self.at.step,
            "epoch": self.stream.epoch(self.at.step),
            "val_loss": loss,
            "val_top1_error": top1,
            "val_top5_error": top5,
            "drops": self.at.schedule.drops,
        }
        self._tell(row)
        return best

    def _take_changes(self) -> None:
        """Changes by hand: checked, told, and from now on part of the run."""
        changes = self.link.share(control.take(self.run_path) if self.link.rank == 0 else None)
        row: Row = {"event": "control", "step": self.at.step, "set": changes}
        try:
            control.check(self.recipe, changes)
            self.at.changes = overlaid(self.at.changes, changes)
        except Failure as failure:
            row["refused"] = str(failure)
        self._tell(row)

    def _checkpoint(self, best: bool) -> None:
        """Weights, momenta and progress into a file, by the first process; all take part."""
        arrays = _finite(self.net.arrays(), self.at.step)
        if self.link.rank:
            for _ in arrays:
                pass
            return
        state = {
            **self.at.state(),
            "epoch": self.stream.epoch(self.at.step),
            "position": self.at.step * self.stream.batch,
            "images": self.stream.images,
            "seed": self.seed,
            "recipe": self.recipe.to_toml(),
            "name": self.name,
            "dropout": self.now.dropout,  # events and hands may have changed it
            "classes": [each.name for each in self.data.classes],
            "data": str(self.data.path.resolve()),
            "dataset": self.data.identity,
        }
        path = self.shelf.path(self.at.step)
        write(path, state, arrays)
        self.shelf.shelved(path, best, self.now.train.checkpoints_kept)


def _finite(
    arrays: Iterator[tuple[str, Floats | None, Floats | None]], step: int
) -> Iterator[tuple[str, Floats, Floats]]:
    """The arrays of the first process, each looked at before it is kept."""
    for name, weights, momenta in arrays:
        if weights is None or momenta is None:
            continue
        if not (np.isfinite(weights).all() and np.isfinite(momenta).all()):
            raise Failure(f"step {step}: {name} is not finite; the last checkpoint is kept; use a smaller train.rate")
        yield name, weights, momenta
