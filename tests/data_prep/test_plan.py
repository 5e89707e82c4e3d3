"""Which image goes where: splits, limits, orders, all by seed and name."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alexnet.data.format import ClassInfo
from alexnet.errors import Failure
from data_prep import PrepOptions
from data_prep.plan import Plan, make_plan, shard_length
from data_prep.readers import Entry, Listing
from data_prep.readers.folders import FolderFetch


def listing(**counts: list[int]) -> Listing:
    """So many images of each class in each split."""
    splits = {
        split: [
            Entry(f"{split}/{label}/{number:04d}", label, "")
            for label, count in enumerate(numbers)
            for number in range(count)
        ]
        for split, numbers in counts.items()
    }
    classes = [ClassInfo(label, str(label), str(label)) for label in range(len(counts["train"]))]
    return Listing(classes, "sorted", splits, FolderFetch(Path()), "content", "stamp")


def plan(source: Listing, size: int = 256, seed: int = 0, val_share: float = 0.1, limit: object = None) -> Plan:
    return make_plan(source, PrepOptions(size=size, seed=seed, val_share=val_share, limit=limit))  # type: ignore[arg-type]


def members(made: Plan, split: str) -> list[Entry]:
    return [entry for shard in made.shards if shard.split == split for entry in shard.entries]


def test_a_tenth_of_each_class_becomes_val() -> None:
    source = listing(train=[100, 44, 46, 9, 2, 1])
    made = plan(source)
    train, val = members(made, "train"), members(made, "val")
    assert Counter(entry.label for entry in val) == {0: 10, 1: 4, 2: 5, 3: 1, 4: 1}
    assert sorted(train + val) == sorted(source.splits["train"]), "each image is in one of them, once"
    assert val == [entry for entry in source.splits["train"] if entry in set(val)], "in the order listed"
    other = plan(source, seed=1)
    assert set(members(other, "val")) != set(val)
    assert not members(plan(source, val_share=0), "val")
    assert Counter(e.label for e in members(plan(source, val_share=0.5), "val"))[0] == 50


def test_half_becomes_test_and_a_tenth_of_the_rest_val() -> None:
    source = listing(train=[200, 40, 1])
    made = make_plan(source, PrepOptions(size=256, seed=0, test_share=0.5))
    train, val, test = (members(made, split) for split in ("train", "val", "test"))
    assert [Counter(entry.label for entry in part) for part in (test, val)] == [{0: 100, 1: 20}, {0: 10, 1: 2}]
    assert sorted(train + val + test) == sorted(source.splits["train"]), "each image is in one of them, once"
    assert test == [entry for entry in source.splits["train"] if entry in set(test)], "in the order listed"
    whole = [entry.name for entry in members(plan(source, val_share=0), "train")]
    assert 80 < sum(entry.name in whole[:120] for entry in test if entry.label == 0) * 2 < 120, "no part of the order"
    own = replace(source, test_share=0.5, val_share=0.0)
    assert members(make_plan(own, PrepOptions(size=256, seed=0)), "test") == test, "a form may say so of itself"
    assert not members(make_plan(own, PrepOptions(size=256, seed=0)), "val")
    assert not members(make_plan(own, PrepOptions(size=256, seed=0, test_share=0)), "test")


def test_a_val_of_its_own_is_kept() -> None:
    source = listing(train=[20, 20], val=[3, 4], test=[5, 0])
    made = plan(source)
    assert len(members(made, "train")) == 40
    assert members(made, "val") == source.splits["val"]
    assert members(made, "test") == source.splits["test"]


def test_train_is_shuffled_over_all_classes() -> None:
    source = listing(train=[200, 200, 200, 200])
    train = members(plan(source, val_share=0), "train")
    assert sorted(train) == sorted(source.splits["train"])
    labels = np.array([entry.label for entry in train])
    changes = np.count_nonzero(np.diff(labels)) / (len(labels) - 1)
    four_deviations = 4 * (0.75 * 0.25 / 799) ** 0.5
    assert abs(changes - 0.75) < four_deviations, "neighbours are of different classes three times in four"
    quarters = [np.bincount(part, minlength=4) for part in labels.reshape(4, -1)]
    assert np.abs(np.array(quarters) - 50).max() < 25
    assert members(plan(source, val_share=0), "train") == train
    assert members(plan(source, val_share=0, seed=5), "train") != train


def test_the_order_does_not_depend_on_the_listing() -> None:
    source = listing(train=[30, 30])
    shuffled = replace(source, splits={"train": source.splits["train"][::-1]})
    assert members(plan(source), "train") == members(plan(shuffled), "train")


def test_limit_counts_by_class_and_split_and_is_nested() -> None:
    source = listing(train=[100, 50, 3], test=[20, 20, 20])
    small, large = plan(source, limit=8), plan(source, limit=30)
    for made, most in ((small, 8), (large, 30)):
        for split, available in (("train", [90, 45, 2]), ("val", [10, 5, 1]), ("test", [20, 20, 20])):
            counts = Counter(entry.label for entry in members(made, split))
            assert [counts[label] for label in range(3)] == [min(most, count) for count in available]
    for split in ("train", "val", "test"):
        assert set(members(small, split)) <= set(members(large, split))
    assert members(small, "test") != [e for e in source.splits["test"] if int(e.name[-4:]) < 8], "not the first"
    parted = plan(source, limit={"train": 5, "test": 2})
    assert [len(members(parted, split)) for split in ("train", "val", "test")] == [12, 16, 6]


def test_identity_changes_with_what_is_written() -> None:
    source = listing(train=[40, 40], test=[4, 4])
    renamed = replace(source, classes=[ClassInfo(0, "0", "cat"), ClassInfo(1, "1", "dog")])
    swapped = [entry._replace(label=1 - entry.label) for entry in source.splits["train"]]
    relabelled = replace(source, splits=source.splits | {"train": swapped})
    plans = [
        plan(source),
        plan(source, size=64),
        plan(source, seed=1),
        plan(source, val_share=0.2),
        plan(source, limit=7),
        plan(replace(source, content="other")),
        plan(replace(source, class_order="devkit")),
        plan(renamed),
        plan(relabelled),
    ]
    assert len({made.identity for made in plans}) == len(plans)
    assert plan(source).identity == plan(replace(source, stamp="other")).identity == plans[0].identity
    assert re.fullmatch("[0-9a-f]{32}", plans[0].identity)


@pytest.mark.parametrize(
    "images, size, length",
    [(0, 256, 16), (5, 256, 16), (1000, 256, 32), (10_000, 256, 313), (1_281_167, 256, 1024), (99, 4096, 4)],
)
def test_shard_length(images: int, size: int, length: int) -> None:
    assert shard_length(images, size) == length


def test_shards_follow_each_other() -> None:
    made = plan(listing(train=[300, 300], test=[40, 0]), val_share=0)
    lengths = [len(shard.entries) for shard in made.shards if shard.split == "train"]
    assert lengths == [19] * 31 + [11]
    assert [shard.name for shard in made.shards[-3:]] == ["test-00000.h5", "test-00001.h5", "test-00002.h5"]
    assert made.images == 640


@pytest.mark.parametrize("counts", [[], [0, 0], [5], [0, 7]])
def test_too_little_to_train_on(counts: list[int]) -> None:
    with pytest.raises(Failure, match=r"no images|one class"):
        plan(listing(train=counts))
