"""A baseline from a dataset's images to its errors; by one process or two; where there is no room."""

import json
import shutil
from collections import namedtuple
from dataclasses import dataclass, replace

import numpy as np
import pytest
from plans import tiny

from alexnet.baselines import pyramid, run, scores, signatures
from alexnet.baselines.describe import DESCRIPTORS, Describer
from alexnet.baselines.run import Channel, measure
from alexnet.baselines.scores import Errors
from alexnet.baselines.signatures import Coding, Part, Sampling, code, sample
from alexnet.baselines.sparse import SparsePlan
from alexnet.data.shards import Dataset
from alexnet.errors import Failure

CELLS = ((1, 1), (2, 2))
TINY = tiny(CELLS, epochs=3)


@pytest.fixture(scope="module")
def data(workshop) -> Dataset:
    return Dataset(workshop.data)


@pytest.mark.parametrize("kind", DESCRIPTORS)
def test_every_descriptor_has_a_place(kind):
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    rows, places = Describer(kind, 8, 9)(image)  # the last scales are smaller than a patch
    assert len(rows) == len(places) > 0 and rows.dtype == np.float32
    assert (places > 0).all() and (places < 1).all()


def test_it_learns_what_tells_the_classes_apart(data):
    """Three classes that differ in brightness and grain."""
    found = measure(data, TINY, "val", 0, 1)
    assert (found.images, found.learnt) == (data.counts["val"], data.counts["train"])
    assert set(found.channels) == {"colour", "hog"}
    assert found.together.top1_error < 0.3
    assert found.together.top5_error == 0  # of three classes


def test_processes_change_nothing(data):
    assert measure(data, TINY, "val", 3, 2) == measure(data, TINY, "val", 3, 1)


def test_the_training_images_may_be_fewer(data):
    assert measure(data, replace(TINY, most=20), "val", 0, 1).learnt == 20


def test_the_channels_scores_are_averaged(data, monkeypatch):
    seen = []
    monkeypatch.setattr(run, "errors", lambda scores, labels: seen.append(scores.copy()) or Errors(0, 0, 0))
    measure(data, TINY, "val", 0, 1)
    colour, hog, together = seen
    np.testing.assert_allclose(together, (colour + hog) / 2, rtol=0, atol=1e-6)


def test_a_sample_has_other_places_of_each_image(data):
    describer = Describer("hog", 4, 1)
    start, rows = sample(Sampling(Part(data.path, "train", range(3, 5)), describer, 7, 2))
    places = []
    for image, taken in zip((3, 4), np.split(rows, 2), strict=True):
        every, _ = describer(data.split("train").image(image))
        places.append([int(np.flatnonzero((every == row).all(axis=1))[0]) for row in taken])
        assert places[-1] == sorted(set(places[-1]))
    assert start == 3 and places[0] != places[1]


def test_samples_are_in_the_order_of_the_images(data, monkeypatch):
    monkeypatch.setattr(signatures, "PART", 8)
    monkeypatch.setattr(run, "FEW", 5)
    describer = Describer("hog", 8, 1)
    found = run._sampled(data, describer, 20, 100, 2, 1)
    wanted = [sample(Sampling(Part(data.path, "train", range(at, at + 1)), describer, 5, 2))[1] for at in range(20)]
    np.testing.assert_array_equal(found, np.concatenate(wanted))


@dataclass
class Sum:
    """A coder that can be told from another."""

    times: int
    length: int = 2

    def __call__(self, rows, places):
        return self.times * np.array([len(rows), places.sum()])


def test_each_coder_writes_its_own_file(data, tmp_path):
    coders = [(Sum(times), tmp_path / f"{times}.npy") for times in (1, 3)]
    for coder, file in coders:
        np.save(file, np.full((5, coder.length), -1, np.float64))
    describer = Describer("hog", 8, 1)
    assert code(Coding(Part(data.path, "train", range(1, 4)), describer, coders)) == 3
    rows, places = describer(data.split("train").image(2))
    for coder, file in coders:
        found = np.load(file)
        np.testing.assert_allclose(found[2], coder.times * np.array([len(rows), places.sum()]))
        assert (found[[0, 4]] == -1).all() and (found[1:4] > 0).all()


def test_channels_with_one_descriptor_share_its_making(data, monkeypatch):
    made = []
    monkeypatch.setattr(
        run, "_code", lambda data, split, images, describer, coders, *_: made.append((split, [*coders]))
    )
    monkeypatch.setattr(run, "classify", lambda job: (job.channel, np.eye(3)[np.zeros(data.counts["val"], int)]))
    few = SparsePlan(codewords=8, rounds=1, cells=CELLS)
    plan = replace(TINY, channels=[Channel("a", "hog", few), Channel("b", "lbp", few), Channel("c", "hog", few)])
    assert list(measure(data, plan, "val", 0, 1).channels) == ["a", "b", "c"]
    assert made == [("train", ["a", "c"]), ("val", ["a", "c"]), ("train", ["b"]), ("val", ["b"])]


def test_killed_it_goes_on_after_the_last_whole_descriptor(data, tmp_path, monkeypatch):
    """The second descriptor's signatures of the tested images are cut short; what is whole is not made again."""
    made, end = [], [("val", "hog")]

    def killed(job):
        made.append((job.part.split, job.describer.descriptor))
        if made[-1] in end:
            raise KeyboardInterrupt
        return code(job)

    monkeypatch.setattr(run, "code", killed)
    with pytest.raises(KeyboardInterrupt):
        measure(data, TINY, "val", 0, 1, tmp_path / "kept")
    assert {file.name for file in (tmp_path / "kept").glob("[!.s]*")} == {
        *("colour train.npy", "colour val.npy", "hog train.npy"),
    }
    made.clear()
    end.clear()
    again = measure(data, TINY, "val", 0, 1, tmp_path / "kept")
    assert {descriptor for _, descriptor in made} == {"hog"}
    assert again == measure(data, TINY, "val", 0, 1)


def test_an_empty_split_is_refused(data):
    with pytest.raises(Failure, match="no images in split 'test'"):
        measure(data, TINY, "test", 0, 1)


def test_a_full_disk_is_told_before_anything_is_written(data, monkeypatch):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10))
    with pytest.raises(Failure, match=r"needs .* GB for the signatures.*TMPDIR"):
        measure(data, TINY, "val", 0, 1)


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("size", [32, 96, 256])
def test_plans_are_as_published_or_smaller(quick, size):
    fisher, sparse = run.plan("fisher", size, quick), run.plan("sparse", size, quick)
    assert [each.descriptor for each in fisher.channels] == ["sift", "colour"]
    assert len(sparse.channels) == 6
    assert fisher.channels[0].plan.gaussians == (32 if quick else 64 if size == 32 else 256)
    cells = {channel.plan.cells for each in (fisher, sparse) for channel in each.channels}
    assert cells == ({run.SMALL_CELLS} if size == 32 else {run.FISHER_CELLS, run.SPARSE_CELLS})


@pytest.mark.parametrize("kind", ["fisher", "sparse"])
def test_each_cell_of_an_image_of_32_pixels_has_descriptors_of_every_kind(kind):
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    chosen = run.plan(kind, 32, quick=True)
    for channel in chosen.channels:
        _, places = Describer(channel.descriptor, chosen.step, chosen.scales)(image)
        for count, cell in pyramid.levels(channel.plan.cells, places):
            assert np.bincount(cell, minlength=count).min() > 30


def test_errors_are_shares_of_the_images_and_the_mean_of_the_classes():
    rows, labels = np.eye(7)[[0, 1, 1, 5]], np.array([0, 1, 6, 6], np.int32)  # 6 comes after the others, which are 0
    assert scores.errors(rows, labels) == Errors(2 / 4, 2 / 4, 1 / 3)


def test_the_command_prints_what_run_returns(workshop, monkeypatch, capsys):
    from alexnet.cli.baseline import baseline

    asked = []
    monkeypatch.setattr(run, "plan", lambda *words: asked.append(words) or TINY)
    baseline(workshop.data, seed=5, workers=1, json=True)
    out = capsys.readouterr().out.splitlines()
    found = json.loads(out[-1])
    wanted = measure(Dataset(workshop.data), TINY, "val", 5, 1)
    assert found == wanted.as_json()
    assert Errors(*(found[f"{name}_error"] for name in ("top1", "top5", "class"))) == wanted.together
    assert out[0].startswith("colour") and out[2].startswith("together")
    assert asked == [("fisher", Dataset(workshop.data).size, False)]
