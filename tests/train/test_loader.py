"""The stream of images and their random views (paper, 4.1)."""

import time
import zlib

import h5py
import numpy as np
import pytest

from alexnet.data.shards import Dataset, Split
from alexnet.engines.cpu import CpuEngine
from alexnet.errors import Failure
from alexnet.links import Place, place
from alexnet.recipe import load
from alexnet.recipe.spec import AugmentSpec
from alexnet.train.loader import Loader, draw_views
from alexnet.train.stream import Stream

WHOLE = Place(2, range(2), 0, 1)


@pytest.fixture
def data(workshop):
    return Dataset(workshop.data)


def test_crops_and_reflections_are_uniform(data):
    stream = Stream(images=40000, batch=1, seed=0, shuffle=True)
    views = draw_views(stream, np.arange(40000), AugmentSpec(offsets=8, colour=False), data, 24)
    for axis in range(2):
        counts = np.bincount(views.offsets[:, axis], minlength=8)
        assert len(counts) == 8 and ((counts - 5000) ** 2 / 5000).sum() < 26  # chi-square, 7 degrees: p = 5e-4
    assert abs(views.reflect.mean() - 0.5) < 4 * 0.5 / 200
    assert abs(np.corrcoef(views.offsets.T)[0, 1]) < 4 / 200
    assert (views.shift == 0).all()


def test_colour_noise_follows_the_axes(data):
    """Its covariance is 0.1^2 P diag(lambda / 255)^2 P^T, lambda of pixels 0..255.

    Of 40,000 draws a variance is known within sqrt(2 / 40,000), 0.7 %: 3 % are four deviations.
    """
    stream = Stream(images=40000, batch=1, seed=0, shuffle=True)
    shift = draw_views(stream, np.arange(40000), AugmentSpec(offsets=8), data, 24).shift.astype(np.float64)
    extents = 0.1 * data.eigenvalues / 255
    expected = data.eigenvectors @ np.diag(extents**2) @ data.eigenvectors.T
    assert np.abs(np.cov(shift.T) - expected).max() < 0.03 * np.abs(expected).max()
    by_deviation = AugmentSpec(offsets=8, colour_by="deviations")
    shift = draw_views(stream, np.arange(40000), by_deviation, data, 24).shift
    expected = 0.01 * data.eigenvectors @ np.diag(data.eigenvalues) @ data.eigenvectors.T
    assert np.abs(np.cov(shift.T.astype(np.float64)) - expected).max() < 0.03 * np.abs(expected).max()


def test_shares_have_one_crop_and_their_own_noise(data):
    stream = Stream(images=64, batch=64, seed=0, shuffle=True)
    views = draw_views(stream, np.arange(64), AugmentSpec(offsets=8, share=32), data, 24)
    assert len(np.unique(views.offsets[:32], axis=0)) == len(np.unique(views.offsets[32:], axis=0)) == 1
    assert len(np.unique(views.shift, axis=0)) == 64


def test_a_view_does_not_depend_on_the_batch(data):
    few = Stream(images=90, batch=8, seed=4, shuffle=True)
    views = draw_views(few, np.arange(60), AugmentSpec(offsets=8), data, 24)
    later = draw_views(few, np.arange(40, 60), AugmentSpec(offsets=8), data, 24)
    assert (views.offsets[40:] == later.offsets).all() and (views.shift[40:] == later.shift).all()


def make_loader(workshop, data, first_step=0, where=WHOLE, access="mapped"):
    plain = ["augment.colour=false", "augment.reflect=false", "augment.crop=centre", f"data.access={access}"]
    recipe = load(str(workshop.recipe), plain)
    stream = Stream(len(data.split("train")), 20, 0, True)
    return CpuEngine(1), stream, Loader(CpuEngine(1), data, recipe, stream, where, first_step)


def test_a_batch_is_the_images_minus_the_mean(workshop, data):
    engine, stream, loader = make_loader(workshop, data, first_step=3)
    batch = loader.next()
    chosen = stream.at(np.arange(60, 80))[1]
    split = data.split("train")
    expected = np.stack([split.image(int(i)).astype(np.float32) - data.mean for i in chosen])[:, 4:28, 4:28]
    assert np.abs(engine.unpack(batch.images, 20) - expected.transpose(0, 3, 1, 2)).max() < 1e-4
    assert (batch.labels == split.labels[chosen]).all()
    loader.close()


def test_replicas_share_the_batch_out(workshop, data):
    engine, _, whole = make_loader(workshop, data)
    together = engine.unpack(whole.next().images, 20)
    parts = []
    for rank in (0, 2):
        _, _, loader = make_loader(workshop, data, where=place(2, 4, rank))
        parts.append(engine.unpack(loader.next().images, 10))
        loader.close()
    whole.close()
    assert np.array_equal(np.concatenate(parts), together)


@pytest.mark.parametrize("access", ["mapped", "blocks"])
def test_blocks_are_read_before_their_images_are_used(workshop, data, monkeypatch, access):
    events, images = [], len(data.split("train"))
    image = Split.image
    monkeypatch.setattr(Split, "read_ahead", lambda split, run: events.append(run))
    monkeypatch.setattr(Split, "image", lambda split, index: (events.append(index), image(split, index))[1])
    _, _, loader = make_loader(workshop, data, access=access)
    loader.next()
    loader.close()
    read = [event for event in events if isinstance(event, range)]
    assert read[:1] == ([range(images)] if access == "blocks" else [])
    assert isinstance(events[0], range) == (access == "blocks")


def test_a_damaged_image_names_shard_and_index(workshop, data, tmp_path):
    for file in workshop.data.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    shard = tmp_path / "train-00000.h5"
    with h5py.File(shard) as file:
        at = file["images"].id.get_offset() + 5 * 32 * 32 * 3 + 17
        assert zlib.crc32(np.ascontiguousarray(file["images"][5])) == file["checksums"][5]
    content = bytearray(shard.read_bytes())
    content[at] ^= 4
    shard.write_bytes(content)
    _, _, loader = make_loader(workshop, Dataset(tmp_path))
    with pytest.raises(Failure, match=r"train-00000\.h5.* 5 "):
        for _ in range(5):
            loader.done(loader.next())
    loader.close()


def test_the_next_batch_is_made_meanwhile(workshop, data):
    _, _, loader = make_loader(workshop, data)
    limit = time.monotonic() + 120
    while loader._made.qsize() < 2 and time.monotonic() < limit:
        time.sleep(0.01)
    assert loader._made.qsize() >= 2
    loader.close()
