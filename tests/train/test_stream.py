"""The order of the training images: random, in blocks that a disk reads in long runs, however they are read."""

import os
import threading
import time
from collections import Counter

import numpy as np
import pytest

from alexnet.data.shards import Dataset, Split
from alexnet.engines import draws
from alexnet.errors import Failure
from alexnet.recipe import load
from alexnet.runs.checkpoint import Shelf, read
from alexnet.train import stream
from alexnet.train.ahead import Ahead
from alexnet.train.stream import Stream, Window, streams


@pytest.fixture
def small_windows(monkeypatch):
    """Windows of three blocks of seven images."""
    monkeypatch.setattr(stream, "BLOCK", 7)
    monkeypatch.setattr(stream, "WINDOW", 3)
    yield
    stream._layout.cache_clear()
    stream._members.cache_clear()


@pytest.mark.parametrize("images", [1, 7, 20, 21, 22, 50, 63, 64, 84, 90])
@pytest.mark.parametrize("shuffle", [True, False])
def test_each_epoch_uses_each_image_once(small_windows, images, shuffle):
    made = Stream(images, batch=8, seed=3, shuffle=shuffle)
    epochs, chosen = made.at(np.arange(3 * images))
    orders = [list(chosen[epochs == epoch]) for epoch in range(3)]
    for order in orders:
        assert sorted(order) == list(range(images))
        assert shuffle or order == list(range(images))
    if shuffle and images > 7:
        assert orders[0] != orders[1] != orders[2]
        other = Stream(images, batch=8, seed=4, shuffle=True)
        assert list(other.at(np.arange(images))[1]) != orders[0]


def test_steps_and_epochs():
    made = Stream(images=50, batch=8, seed=3, shuffle=True)
    assert (made.passes(6), made.passes(7), made.steps(1), made.steps(2)) == (0, 1, 7, 13)
    assert made.epoch(25) == 4


def test_a_stream_that_begins_later_goes_on_as_the_same_epochs_do():
    whole, later = Stream(24, 8, 3, shuffle=True), Stream(24, 8, 3, shuffle=True, first_step=9, first_epoch=3)
    assert (later.epoch(9), later.passes(11), later.passes(12), later.steps(5)) == (3, 3, 4, 15)
    there = np.arange(9 * 8, 15 * 8)
    assert all(np.array_equal(*pair) for pair in zip(whole.at(there), later.at(there), strict=True))


def test_streams_follow_each_other_where_splits_are_taken_in():
    """50 images an epoch, 7 steps of 8 until the first is over; then 62."""
    counts, taking = {"train": 50, "val": 12}, "train.events=[{epoch=%d,set={'data.train'='train+val'}}]"
    recipe = load("cifar-relu", ["train.batch=8", taking % 3])
    first, second = streams(recipe, counts, 5)
    assert first == Stream(50, 8, 5, shuffle=True)
    assert second == Stream(62, 8, 5, shuffle=True, first_step=19, first_epoch=3)
    assert second.epoch(19) == 3 and first.epoch(19) == pytest.approx(3.04)
    assert streams(load("cifar-relu", ["data.train=train+val"]), counts, 5)[0].images == 62
    with pytest.raises(Failure, match=r'data.train = "train\+val": this data has no val images'):
        streams(recipe, {"train": 50, "val": 0}, 5)
    with pytest.raises(Failure, match=r"plateau"):
        streams(load("alexnet", [taking % 3]), counts, 5)


@pytest.mark.parametrize("seed, epoch", [(0, 0), (5, 3)])
def test_a_set_of_one_window_is_in_one_random_order(seed, epoch):
    """The order is by 64 bits drawn for each image."""
    keys = draws.words(seed, draws.ORDER, np.arange(8000), epoch)[:, :2].astype(np.uint64)
    expected = np.argsort(keys[:, 0] << np.uint64(32) | keys[:, 1], kind="stable")
    made = Stream(8000, 128, seed, shuffle=True)
    assert (made.at(epoch * 8000 + np.arange(8000))[1] == expected).all()


@pytest.mark.parametrize("images", [50, 63, 90])
@pytest.mark.parametrize("shuffle", [True, False])
def test_windows_follow_each_other_and_hold_what_is_used(small_windows, images, shuffle):
    made = Stream(images, batch=8, seed=1, shuffle=shuffle)
    window, met = Window(0, 0), Counter()
    for position in range(2 * images):
        (now,) = made.windows(np.array([position]))
        if now != window:
            assert now == made.after(window)
            window = now
        (image,) = made.at(np.array([position]))[1]
        (block,) = [run for run in made.blocks(now) if image in run]
        met[now, block] += 1
    assert all(count == len(block) for (_, block), count in met.items()), "each block is used up in its window"
    assert len({window for window, _ in met}) == 2 * -(-images // 21)
    assert made.windows(np.arange(images)) == [Window(0, number) for number in range(-(-images // 21))]


def test_blocks_come_in_another_order_each_epoch():
    made = Stream(100_000, 128, 0, shuffle=True)
    first, second = [made.blocks(Window(epoch, 0)) for epoch in (0, 1)]
    assert len(first) == len(second) == 32 and first != second
    assert made.blocks(Window(0, 1)) != first and len(set(first) & set(second)) < 12


def test_where_a_block_comes_says_nothing_of_its_images(small_windows):
    """Six blocks of seven images, three a window: were both ordered by the same draws, images 0 to 5 would be, too."""
    made, alike = Stream(42, 8, 5, shuffle=True), 0
    for epoch in range(40):
        first = {block.start // 7 for block in made.blocks(Window(epoch, 0))}
        order = made.at(np.arange(epoch * 42, (epoch + 1) * 42))[1]
        alike += set(order[order < 6][:3].tolist()) == first
    assert alike < 9  # of 40, where each is so by a chance of 1 in 20


def test_a_batch_is_drawn_from_all_classes():
    """Of shards in a random order; as many images of each class as by chance: chi-square."""
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 4000))
    made = Stream(40_000, 128, 0, shuffle=True)
    batches = labels[made.at(np.arange(300 * 128))[1]].reshape(300, 128)
    counts = np.stack([np.bincount(batch, minlength=10) for batch in batches])
    statistic = ((counts - 12.8) ** 2 / 12.8).sum(axis=1)  # 9 degrees of freedom: mean 9, deviation 4.2
    assert abs(statistic.mean() - 9) < 4 * 4.24 / np.sqrt(300)
    far = made.at(np.arange(8192))[1]
    assert len(np.unique(far[:128] // stream.BLOCK)) > 25, "a batch comes from nearly all blocks of its window"


def test_a_position_does_not_depend_on_its_company():
    made = Stream(30_000, 128, 2, shuffle=True)
    chosen = np.array([0, 29_999, 30_000, 8191, 8192, 71_234])
    alone = [made.at(np.array([position]))[1][0] for position in chosen]
    assert list(made.at(chosen)[1]) == alone


def test_a_batch_of_imagenet_is_found_at_once():
    made = Stream(1_281_167, 128, 0, shuffle=True)
    made.at(np.arange(128))
    begun = time.process_time()
    for step in range(100):
        made.at(np.arange(step * 128, (step + 1) * 128))
    assert time.process_time() - begun < 0.5


@pytest.fixture
def split(workshop):
    return Dataset(workshop.data).split("train")


def test_reading_ahead_reads_each_byte_of_the_run_once(split, monkeypatch):
    size, pieces = 32 * 32 * 3, []
    monkeypatch.setattr("alexnet.data.shards.PIECE", 5000)
    opened = open_and_note(monkeypatch, pieces)
    split.read_ahead(range(3, len(split) - 2))
    wanted = [(shard.path, shard.offset + row * size) for shard in split.shards for row in range(len(shard))]
    read_bytes = [(path, at + byte) for path, at, length in pieces for byte in range(length)]
    expected = [(path, at + byte) for path, at in wanted[3:-2] for byte in range(size)]
    assert read_bytes == expected and len(opened) == len(split.shards) - 1 > 3
    assert max(length for _, _, length in pieces) == 5000


def open_and_note(monkeypatch, pieces):
    """Note (path, offset, length) of every read of a shard."""
    import io
    import pathlib

    opened, real = [], pathlib.Path.open

    class Noting(io.FileIO):
        def readinto(self, into):
            at = self.tell()
            count = super().readinto(into)
            pieces.append((pathlib.Path(self.name), at, count))
            return count

    def noted(path, mode="r", **more):
        if mode != "rb" or more != {"buffering": 0}:
            return real(path, mode, **more)
        opened.append(path)
        return Noting(os.fspath(path))

    monkeypatch.setattr(pathlib.Path, "open", noted)
    return opened


def test_a_shard_that_is_gone_is_named(split, tmp_path):
    shard = split.shards[0]
    gone = Split("train", [type(shard)(**{**vars(shard), "path": tmp_path / "train-00000.h5"})])
    ahead = Ahead(gone, Stream(len(gone), 4, 0, True))
    with pytest.raises(Failure, match=r"train-00000\.h5 is missing: run alexctl prep again"):
        ahead.wait(np.arange(4))
    ahead.close()


class Recorder:
    """A split that notes what is read ahead, and does not go on reading before it may."""

    def __init__(self):
        self.reads, self.may = [], threading.Semaphore(0)

    def read_ahead(self, run):
        self.may.acquire()
        self.reads.append(run)


def test_a_window_is_read_before_its_use_and_the_next_meanwhile(small_windows):
    made, split = Stream(63, 8, 0, True), Recorder()
    ahead, ready = Ahead(split, made), threading.Event()
    threading.Thread(target=lambda: (ahead.wait(np.arange(8)), ready.set())).start()
    split.may.release(2)
    assert not ready.wait(0.1), "one block is missing yet"
    split.may.release(1)
    assert ready.wait(5)
    assert split.reads == made.blocks(Window(0, 0))
    split.may.release(100)
    for step in range(1, 15):
        ahead.wait(np.arange(step * 8, step * 8 + 8))
    ahead.wait(np.arange(120, 126))
    ahead._reader.shutdown()
    windows = [Window(epoch, number) for epoch in (0, 1) for number in range(3)] + [Window(2, 0)]
    assert split.reads == [block for window in windows for block in made.blocks(window)], "each once, in order"


def test_training_is_the_same_bit_for_bit(workshop, tmp_path):
    weights = []
    for access in ("mapped", "blocks"):
        run = tmp_path / access
        workshop.train(run, "--procs", 2, "--steps", 9, "--set", f"data.access={access}")
        weights.append(read(Shelf(run).named("latest")).weights)
    assert weights[0].keys() == weights[1].keys()
    assert all(np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])
