"""Measuring how fast a net is, as a whole and layer by layer, on made-up images in memory.

A step is forward, backward, exchange and update of one batch. Times are by the wall clock: the median over the
repetitions, each as long as the slowest process took. Work is counted twice: as if every convolution were computed
directly, and as the engine computes it.
"""

import resource
import sys
from collections.abc import Callable
from contextlib import nullcontext
from functools import cached_property
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np

from alexnet.bench.ceilings import Ceilings, Work, ceilings, recorded_parts, traffic
from alexnet.bench.kernels import KernelTimes, kernels
from alexnet.bench.report import LayerTimes, Report
from alexnet.bench.stopwatch import WHOLE, Gather, Stopwatch, Times, medians
from alexnet.engines import Engine, Scalar, Tensor
from alexnet.errors import Failure
from alexnet.links import Link
from alexnet.net.layers import Descent, Parameter, Pass
from alexnet.net.net import SUMS, UPDATE, Net
from alexnet.net.parametric import Convolution
from alexnet.predict.predictor import Predictor, ten_crops
from alexnet.recipe import Recipe
from alexnet.recipe.topology import Topology, topology

Counts = dict[str, tuple[int, int]]  # of each layer, forward and backward

TEN = 10
STATUS = Path("/proc/self/status")  # of Linux; a sandbox's may not tell the peak
MARGIN = 32  # by which images are larger than their crops: 256 and 224 in the paper


class Workload:
    """One process's part of a net with made-up images and labels in memory, and what is timed on it.

    Raises Failure where the batch is too small for the replicas.
    """

    def __init__(self, recipe: Recipe, classes: int, batch: int, engine: Engine, link: Link) -> None:
        self.recipe, self.batch, self.link = recipe, batch, link
        self.own = link.place.slice_of(batch)
        if not self.own:
            raise Failure(f"--batch {batch}: too small for {link.place.replicas} replicas; use that many or more")
        count, crop = len(self.own), recipe.net.crop
        self.stopwatch = Stopwatch(engine)
        watch = nullcontext if engine.records else self.stopwatch  # the parts of recorded work are timed one by one
        self.net = Net(topology(recipe.net, classes), engine, link, count, training=True, watch=watch)
        self.net.initialise(0)
        self._drawn = np.random.default_rng(self.own.start)  # the processes that share a net see the same images
        self._images = engine.maps(count, 3, crop, crop)
        engine.pack(self._drawn.standard_normal((count, 3, crop, crop), np.float32), self._images)
        self.net.labels[:] = engine.upload(self._drawn.integers(classes, size=count).astype(np.int32))
        self._steps = 0

    def step(self, images: Tensor | None = None) -> None:
        """Forward, backward, exchange and update, on the images made up or on those given."""
        self.net.step(
            self._images if images is None else images, self.now(self._steps), self._rates, self.recipe.train.momentum
        )
        self._steps += 1

    def now(self, step: Scalar) -> Pass:
        """What a step's passes are about."""
        first = self.own.start
        return Pass(len(self.own), self.batch, first, step, dropout=self.recipe.dropout, training=True)

    def kernels(self, best: Ceilings) -> tuple[KernelTimes, ...]:
        """Those of a step of this process."""
        momentum = self.recipe.train.momentum
        return tuple(kernels(self.net, self._images, self.now(self._steps), self._rates, momentum, best))

    def forward(self) -> None:
        """The test-time outputs of one batch."""
        self.net.outputs_of(self._images, Pass(len(self.own), self.batch, dropout=self.recipe.dropout))

    def ten_crops(self) -> None:
        """The averaged outputs of `ten_crop_images` larger images of bytes: cropping is part of it."""
        predictor, pixels = self._larger
        predictor(pixels)

    def one_image(self) -> None:
        """The test-time outputs of a single image, in the layout that the engine has for it."""
        net, image = self._single
        net.forward(image, Pass(1, 1, dropout=self.recipe.dropout))

    @property
    def ten_crop_images(self) -> int:
        """The fewest images whose views fill whole batches."""
        return len(self.own) // gcd(len(self.own), TEN)

    @cached_property
    def _larger(self) -> tuple[Predictor, list[Any]]:
        crop = self.recipe.net.crop
        size = crop + MARGIN
        pixels = self._drawn.integers(256, size=(self.ten_crop_images, size, size, 3), dtype=np.uint8)
        mean = np.full((size, size, 3), 127.5, np.float32)
        return Predictor(self.net, mean, ten_crops(size, crop), self.recipe.dropout), list(pixels)

    @cached_property
    def _single(self) -> tuple[Net, Tensor]:
        engine, crop = self.net.engine.for_test(1), self.recipe.net.crop
        net = Net(self.net.topology, engine, self.link, 1, training=False)
        for own, learnt in zip(net.parameters, self.net.parameters, strict=True):
            own.value[...] = learnt.value
        image = engine.maps(1, 3, crop, crop)
        engine.pack(self._drawn.standard_normal((1, 3, crop, crop), np.float32), image)
        return net, image

    def convolution_work(self) -> Counts:
        """Multiply-adds that this process does for its images in each convolution, (forward, backward)."""
        count = len(self.own)
        layers = ((layer.name, layer.products) for layer in self.net.layers if isinstance(layer, Convolution))
        return {name: (count * forward, count * backward) for name, (forward, backward) in layers}

    def _rates(self, parameter: Parameter) -> tuple[float, float]:
        train = self.recipe.train
        return train.rate, 0.0 if parameter.is_bias else train.decay


def measure(load: Workload, repeat: int, gather: Gather) -> Report:
    """Time steps, forward passes and ten-crop evaluations; every process takes part and gets the report."""

    records = load.net.engine.records

    def timed(act: Callable[[], None]) -> Times:
        for _ in range(2 * records):
            act()  # runs plainly, then is recorded
        return medians(load.stopwatch.rows(act, repeat, load.link), gather)

    load.step()  # touches the memory for the first time
    step = timed(load.step)
    if records:
        step |= medians(recorded_parts(load.net.engine, _parts(load), repeat), gather)
    peak = sum(gather(peak_rss_mb()))
    forward = timed(load.forward)
    ten_crop = timed(load.ten_crops)
    load.one_image()  # makes the net
    one_image = timed(load.one_image)
    best = ceilings(load.net.engine) if records else None
    place = load.link.place
    direct = {name: (load.batch * f, load.batch * b) for name, (f, b) in direct_work(load.net.topology).items()}
    done = direct | _sums(gather(load.convolution_work()))
    layers = (
        LayerTimes(
            each.name,
            step[f"{each.name} forward"],
            step.get(f"{each.name} backward", 0.0),  # below all weights there is nothing to do
            *direct[each.name],
            *done[each.name],
            traffic(each),
        )
        for each in load.net.layers
    )
    return Report(
        procs=place.replicas * place.shares,
        batch=load.batch,
        step_s=step[WHOLE],
        sums_s=step[SUMS],
        update_s=step[UPDATE],
        forward_s=forward[WHOLE],
        ten_crop_s=ten_crop[WHOLE],
        ten_crop_images=sum(gather(load.ten_crop_images)) // place.shares,
        one_image_s=one_image[WHOLE],
        peak_rss_mb=peak,
        layers=tuple(layers),
        ceilings=best,
        kernels=load.kernels(best) if best else (),
    )


def _parts(load: Workload) -> dict[str, Work]:
    """The parts of a step by name, each to be run by itself; the numbers are a step and a zero."""
    net = load.net

    def part(act: Callable[[Pass], None]) -> Work:
        return lambda numbers: act(load.now(numbers[0]))

    parts: dict[str, Work] = {}
    for layer in net.layers:
        parts[f"{layer.name} forward"] = part(layer.forward)
        parts[f"{layer.name} backward"] = part(layer.backward if layer.top.gradient is not None else lambda now: None)
    parts[SUMS] = lambda numbers: _sum(net)
    parts[UPDATE] = lambda numbers: _update(net, numbers[1])
    return parts


def _sum(net: Net) -> None:
    net.link.average([each.gradient for each in net.parameters])
    net.link.averaged()


def _update(net: Net, zero: Scalar) -> None:
    net.update({each.name: Descent(rate=zero, momentum=zero, decay=zero) for each in net.parameters})


def direct_work(shapes: Topology) -> Counts:
    """Multiply-adds of each layer for one image, (forward, backward).

    Backward there is one product for the weights and one for the values below; the first layer with weights has
    nobody below who would want it.
    """
    work = {}
    products = 1
    for each in shapes.layers:
        work[each.layer.name] = each.multiply_adds, products * each.multiply_adds
        if each.weight:
            products = 2
    return work


def _sums(works: list[Counts]) -> Counts:
    """Every process's work together."""
    return {name: (sum(each[name][0] for each in works), sum(each[name][1] for each in works)) for name in works[0]}


def peak_rss_mb() -> float:
    """The most memory this process has held so far, in 10^6 bytes."""
    lines = STATUS.read_text(encoding="utf-8").splitlines() if STATUS.exists() else []
    for line in lines:
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024 / 1e6
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # and what the program that started this one held
    return used * (1 if sys.platform == "darwin" else 1024) / 1e6
