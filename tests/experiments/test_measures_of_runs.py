"""Measures of trainings, on trainings that are made up: their predictions, curves and logs."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

from alexnet.errors import Failure
from alexnet.experiments import measures, statistics
from alexnet.experiments.claims import Row
from alexnet.experiments.curves import Curve
from alexnet.experiments.lab import Predictions
from alexnet.experiments.measures import MEASURES, Asked

CLASSES, LABELS = 7, np.array([0, 1, 2, 3], np.int32)


def said(*ranks, first=0.5):
    """Predictions in which each image's own class is the rank-th most probable: 1 is right."""
    probs = np.zeros((len(LABELS), CLASSES), np.float32)
    for image, (label, rank) in enumerate(zip(LABELS, ranks, strict=True)):
        order = [each for each in range(CLASSES) if each != label]
        order.insert(rank - 1, int(label))
        probs[image, order] = first * 0.5 ** np.arange(CLASSES)
    return Predictions(probs, LABELS)


class MadeUp:
    """A lab of jobs by training and seed, with what each left."""

    def __init__(self, monkeypatch, tmp_path, left):
        self.left, self.out = left, tmp_path
        recipe = SimpleNamespace(train=SimpleNamespace(epochs=10))
        self.jobs = {
            name: [
                SimpleNamespace(name=f"{name}, seed {seed}", key=(name, seed), recipe=recipe)
                for seed in range(len(all_))
            ]
            for name, all_ in left.items()
        }
        monkeypatch.setattr(measures, "found", lambda lab, plan, name: self.jobs[name])

    def told(self, job):
        return self.left[job.key[0]][job.key[1]]

    def predictions(self, job, crops):
        return self.told(job)[crops]

    def curve(self, job):
        return Curve(*self.told(job))

    def run(self, job):
        folder = self.out / f"{job.key[0]}-{job.key[1]}"
        folder.mkdir(exist_ok=True)
        rows = [{"epoch": epoch, "val_top1_error": error} for epoch, error in self.told(job)]
        (folder / "log.jsonl").write_text(
            "".join(json.dumps(row) + "\n" for row in [{"epoch": 0.1, "loss": 2.0}, *rows])
        )
        return folder

    def measure(self, measure, *of, **more):
        return MEASURES[measure](Asked(self, None, Row(what="it", measure=measure, of=of, **more)))


@pytest.fixture
def made_up(monkeypatch, tmp_path):
    return lambda **left: MadeUp(monkeypatch, tmp_path, left)


@pytest.mark.parametrize(("key", "wrong"), [("top1", 3), ("top5", 1)])
def test_an_error_is_the_share_of_images_that_are_missed(made_up, key, wrong):
    found = made_up(net=[{"ten": said(1, 2, 5, 6)}]).measure("error", "net", key=key)
    assert (found.value, found.low, found.high, found.n) == (*statistics.share(wrong, 4), 1)


def test_an_error_of_seeds_is_their_mean(made_up):
    found = made_up(net=[{"ten": said(1, 1, 1, 2)}, {"ten": said(2, 2, 1, 2)}]).measure("error", "net")
    assert (found.value, found.n) == (0.5, 2) and found.low < 0.5 < found.high


def test_each_training_of_a_difference_is_seen_by_its_own_crops(made_up):
    net = {"centre": said(2, 2, 2, 1), "ten": said(1, 1, 2, 1)}
    found = made_up(net=[net]).measure("difference", "net", "net", crops=("centre", "ten"))
    assert found.value == 0.5 and found.n == 1


def test_what_averaging_gains_is_the_mean_error_alone_less_that_of_the_mean(made_up):
    """The second net is sure where it is right: averaged, the two miss what both miss."""
    nets = {"one": [{"ten": said(2, 2, 1, 1, first=0.2)}], "two": [{"ten": said(1, 2, 1, 2, first=0.8)}]}
    made = made_up(**nets)
    mean = made.measure("averaged", "one", "two")
    assert mean.value == 0.5  # the second and the fourth image
    assert made.measure("gained", "one", "two").value == pytest.approx((0.5 + 0.5) / 2 - mean.value, abs=1e-12)
    sure = made_up(one=[{"ten": said(2, 1, 1, 1, first=0.2)}], two=[{"ten": said(1, 1, 1, 1)}])
    assert sure.measure("gained", "one", "two").value == pytest.approx(0.125)


def test_the_factor_between_crossings(made_up):
    tanh = [([2, 6, 8], [0.9, 0.25, 0.1]), ([10, 14], [0.35, 0.15])]
    relu = [([1, 2], [0.9, 0.25]), ([1, 2, 4], [0.5, 0.3, 0.2])]
    found = made_up(tanh=tanh, relu=relu).measure("slower", "tanh", "relu")
    assert found.value == pytest.approx(math.sqrt(6 / 2 * 12 / 3)) and found.n == 2 and found.note == ""


def test_a_net_that_does_not_cross_counts_with_its_length(made_up):
    made = made_up(tanh=[([5, 10], [0.9, 0.4])], relu=[([1, 2], [0.9, 0.25])])
    found = made.measure("slower", "tanh", "relu")
    assert found.value == pytest.approx(5) and found.note == "at least: tanh, seed 0 does not reach 25 %"
    with pytest.raises(Failure, match="tanh, seed 0: does not reach 25 % in 10 epochs"):
        made.measure("slower", "relu", "tanh")


def test_how_much_longer_is_told_by_the_epochs_of_the_least_validation_error(made_up):
    late, soon = [(1, 0.5), (2, 0.3), (6, 0.2), (7, 0.25)], [(1, 0.5), (3, 0.4), (4, 0.4)]
    found = made_up(dropout=[late], without=[soon]).measure("longer", "dropout", "without")
    assert found.value == pytest.approx(2) and found.n == 1
    with pytest.raises(Failure, match="net, seed 0: was never validated"):
        made_up(net=[[]]).measure("longer", "net", "net")


def test_columns_are_apart_by_what_they_are_beyond_random_halves(made_up, monkeypatch):
    apart = iter([SimpleNamespace(difference=0.5, expected=0.2), SimpleNamespace(difference=0.3, expected=0.2)])
    monkeypatch.setattr(measures, "first_kernels", lambda lab, job: (None, None))
    monkeypatch.setattr(measures, "columns_apart", lambda *kernels: next(apart))
    found = made_up(net=[None, None]).measure("coloured", "net")
    assert found.value == pytest.approx(0.2) and found.n == 2 and found.none == 0


def test_codes_are_told_by_their_kind_method_and_length(made_up, monkeypatch):
    lines = [
        {"of": of, "method": method, "bits": bits, "mean_average_precision": place / 10}
        for place, (of, method, bits) in enumerate(
            [("pixels", "ITQ", 64), ("features", "LSH", 64), ("features", "ITQ", 28), ("features", "ITQ", 64)]
        )
    ]
    monkeypatch.setattr(measures.likeness, "codes", lambda lab, job: {"codes": lines})
    made = made_up(net=[None])
    assert made.measure("codes", "net", kind="features", method="ITQ", bits=64).value == 0.3
    with pytest.raises(Failure, match="tells nothing of ITQ with 128 bits"):
        made.measure("codes", "net", kind="features", method="ITQ", bits=128)
