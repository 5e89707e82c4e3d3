"""Training and evaluation: views, schedule, events, updates, validation, crops (paper, 4 and 5)."""

import math
from collections.abc import Sequence
from copy import deepcopy
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from reference import draws
from reference.net import F64, Net, Pass, softmax

Tables = dict[str, Any]


class Data:
    """A prepared dataset, read from its files alone."""

    def __init__(self, folder: Path, classes: int) -> None:
        self.classes = classes
        with h5py.File(folder / "stats.h5") as file:
            self.mean = file["mean"][...].astype(np.float64)
            self.eigenvalues = file["pca/eigenvalues"][...].astype(np.float64)
            self.eigenvectors = file["pca/eigenvectors"][...].astype(np.float64)
        self.images, self.labels = {}, {}
        for split in ("train", "val"):
            shards = [h5py.File(path) for path in sorted(folder.glob(f"{split}-*.h5"))]
            self.images[split] = np.concatenate([shard["images"][...] for shard in shards])
            self.labels[split] = np.concatenate([shard["labels"][...] for shard in shards])

    def view(self, image: F64, at: Sequence[int], crop: int, reflect: bool, mean: str, shift: Any = 0.0) -> F64:
        """(3, crop, crop): the image less the mean, its colours shifted, cut out, and reflected (2, 4.1).

        The mean's "centre" is subtracted last, from what is seen (the authors' CIFAR-10 nets).
        """
        whole = image + shift - (self.mean if mean == "pixels" else 0)
        cut = whole[at[0] : at[0] + crop, at[1] : at[1] + crop]
        seen = cut[:, ::-1] if reflect else cut
        if mean == "centre":
            middle = slice((len(self.mean) - crop) // 2, (len(self.mean) + crop) // 2)
            seen = seen - self.mean[middle, middle]
        return seen.transpose(2, 0, 1)


class Training:
    """Of `recipe`, which has every key that is read here; `by_hand` has changes by the step before which they came."""

    def __init__(self, recipe: Tables, data: Data, seed: int, by_hand: dict[int, Tables] | None = None) -> None:
        self.recipe, self.data, self.seed, self.by_hand = recipe, data, seed, by_hand or {}
        self.net = Net(recipe["net"], data.classes, seed)
        self.momenta = {name: np.zeros_like(values) for name, values in self.net.values.items()}
        self.step = self.drops = self.stale = 0
        self.best, self.best_step, self.finished = np.inf, 0, False
        self.rows: list[Tables] = []
        self.first = (0, 0)  # the step and the epoch since which these are trained on:
        self.images, self.labels = self._taken_in(recipe)

    def run(self, steps: int) -> None:
        """Up to step `steps`, or to the end of the last plateau."""
        while self.step < steps and not self.finished:
            before = self.epoch()
            self.now = self._recipe(before)
            self._train()
            done = self.epoch()
            if self.now["train"]["schedule"] == "epochs":
                self.drops = sum(at <= done for at in self.now["train"]["drop_epochs"])
            if int(done) > int(before) and int(done) % self.now["train"]["validate_epochs"] == 0:
                self._validate()

    def _recipe(self, epoch: float) -> Tables:
        """What holds now: the recipe, with the events of the epochs that are done, then what was changed by hand."""
        events = [each["set"] for each in self.recipe["train"]["events"] if each["epoch"] <= epoch]
        by_hand = [changes for step, changes in sorted(self.by_hand.items()) if step <= self.step]
        now = deepcopy(self.recipe)
        for changes in [*events, *by_hand]:
            for key, value in changes.items():
                _set(now, key, value)
        return now

    def epoch(self) -> float:
        """Epochs that are done, of the images trained on."""
        step, epoch = self.first
        return epoch + (self.step - step) * self.recipe["train"]["batch"] / len(self.labels)

    def _taken_in(self, recipe: Tables) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """The images and labels of the splits that a recipe trains on, one after the other."""
        splits = recipe["data"]["train"].split("+")
        images, labels = ([kind[split] for split in splits] for kind in (self.data.images, self.data.labels))
        return np.concatenate(images), np.concatenate(labels)

    def _rate(self) -> float:
        return self.now["train"]["rate"] * self.now["train"]["drop_factor"] ** self.drops

    def _train(self) -> None:
        """v <- m v - decay rate w - rate g; w <- w + v (5), g being the mean over the batch."""
        train = self.now["train"]
        x, labels = self.batch(self.step)
        probs = softmax(self.net.forward(x, Pass(self.now["dropout"], self.seed, self.step)))
        self.net.backward((probs - np.eye(self.data.classes)[labels]) / len(labels))
        lines = {next(iter(line.values())): line for line in self.now["net"]["layers"]}
        for name, w in self.net.values.items():
            layer, kind = name.split(".")
            prefix = "bias_" if kind == "bias" else ""
            rate = train["rate"] if kind == "bias" and not train["bias_drops"] else self._rate()
            rate *= lines[layer][f"{prefix}rate_times"]
            decay = train["decay"] * lines[layer][f"{prefix}decay_times"]
            if rate:  # a parameter of rate 0 rests
                v = self.momenta[name]
                v *= train["momentum"]
                v -= decay * rate * w + rate * self.net.gradients[name]
                w += v
        self.step += 1
        epoch = math.floor(self.epoch())
        taken_in = self._taken_in(self._recipe(epoch))
        if len(taken_in[0]) != len(self.images):
            (self.images, self.labels), self.first = taken_in, (self.step, epoch)
        own = {"loss": cross_entropy(probs, labels), "top1_error": misses(probs, labels, 1), "rate": self._rate()}
        self._log(**own)

    def batch(self, step: int) -> tuple[F64, NDArray[np.int32]]:
        """The training images of a step in their views (4.1), and their labels."""
        spec, net, batch = self.now["augment"], self.now["net"], self.now["train"]["batch"]
        uses = step * batch + np.arange(batch)
        epochs, images = self._images(uses)
        lead_epochs, lead_images = self._images(uses - uses % spec["share"])
        place = draws.words(self.seed, draws.AUGMENT, lead_images, lead_epochs, 0)
        middle = (self.data.mean.shape[0] - net["crop"]) // 2
        alpha = draws.colour(self.seed, images, epochs) * spec["colour_std"] * spec["colour"]
        by_axis = {"eigenvalues": self.data.eigenvalues / 255, "deviations": np.sqrt(self.data.eigenvalues)}
        views = []
        for i, image in enumerate(self.images[images]):
            at = place[i, :2] * np.uint64(spec["offsets"]) >> np.uint64(32)
            start = at.astype(int) if spec["crop"] == "random" else (middle, middle)
            shift = self.data.eigenvectors @ (alpha[i] * by_axis[spec["colour_by"]])
            reflect = spec["reflect"] and bool(place[i, 2] >> np.uint64(31))
            views.append(self.data.view(image, start, net["crop"], reflect, self.recipe["data"]["mean"], shift))
        return np.stack(views) / (spec["divide"] if spec["colour"] else 1), self.labels[images]

    def _images(self, uses: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The epoch and the image of each use: every epoch is in an order of its own, or in that of the shards."""
        (step, epoch), count = self.first, len(self.labels)
        rounds, places = np.divmod(uses - step * self.recipe["train"]["batch"], count)
        if self.recipe["data"]["shuffle"]:
            orders = {each: draws.order(self.seed, epoch + each, count) for each in np.unique(rounds).tolist()}
            places = np.array([orders[each][place] for each, place in zip(rounds.tolist(), places, strict=True)])
        return epoch + rounds, places

    def _validate(self) -> None:
        """The centre crop's errors; on a plateau the rate drops, after the last drop the training ends (5)."""
        train = self.now["train"]
        if "val" in self.now["data"]["train"]:  # nothing is held out: nothing better is known than the last
            self.best_step = self.step
            return
        probs, labels = self.probs("val", "centre"), self.data.labels["val"]
        error = misses(probs, labels, 1)
        if error < self.best:
            self.best, self.best_step, self.stale = error, self.step, 0
        else:
            self.stale += 1
            if train["schedule"] == "plateau" and self.stale == train["patience"]:
                self.finished = self.drops == train["drops"]
                self.drops, self.stale = min(self.drops + 1, train["drops"]), 0
        found = {"val_loss": cross_entropy(probs, labels), "val_top1_error": error}
        self._log(**found, val_top5_error=misses(probs, labels, 5), drops=self.drops)

    def _log(self, **row: Any) -> None:
        self.rows.append({"step": self.step, "epoch": self.epoch()} | row)

    def probs(self, split: str, crops: str) -> F64:
        """(images, classes): the softmax's outputs averaged over the crops (4.1), outputs times 1 - dropout (4.2)."""
        return np.mean([softmax(self.see(split, *view)) for view in self.crops(crops)], axis=0)

    def see(self, split: str, y: int, x: int, reflect: bool) -> F64:
        """The logits of a split's images, each seen in one view."""
        crop, images = self.recipe["net"]["crop"], self.data.images[split]
        mean = self.recipe["data"]["mean"]
        views = np.stack([self.data.view(image, (y, x), crop, reflect, mean) for image in images])
        return self.net.forward(views, Pass(self.now["dropout"]))

    def crops(self, name: str) -> list[tuple[int, int, bool]]:
        """(y, x, reflected): the middle, or the corners and the middle and their reflections."""
        last = self.data.mean.shape[0] - self.recipe["net"]["crop"]
        middle = (last // 2, last // 2)
        if name == "centre":
            return [(*middle, False)]
        five = [(0, 0), (0, last), (last, 0), (last, last), middle]
        return [(*place, reflect) for reflect in (False, True) for place in five]


def _set(recipe: Tables, key: str, value: Any) -> None:
    """A dotted key, which may hold for several layers: "net.conv*.rate_times"."""
    table, _, entry = key.rpartition(".")
    if not table:
        recipe[entry] = value
    elif table.startswith("net."):
        for line in recipe["net"]["layers"]:
            if fnmatchcase(next(iter(line.values())), table.removeprefix("net.")) and entry in line:
                line[entry] = value
    else:
        recipe[table][entry] = value


def cross_entropy(probs: F64, labels: NDArray[np.int32]) -> float:
    """The mean of -log p of the true class."""
    return float(-np.log(probs[np.arange(len(labels)), labels]).mean())


def misses(probs: F64, labels: NDArray[np.int32], k: int) -> float:
    """The share of images whose class is not among the k most probable."""
    ranked = np.argsort(-probs, axis=1, kind="stable")[:, :k]
    return float(np.mean([label not in row for label, row in zip(labels, ranked, strict=True)]))
