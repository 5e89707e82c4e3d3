"""Top-k errors, counted by sorting each image's classes by hand."""

import numpy as np
import pytest

from alexnet.metrics import class_error, misses


@pytest.mark.parametrize("k", [1, 2, 5])
def test_misses(k):
    """Few different values, so that ties are many; they go to the lower class."""
    random = np.random.default_rng(k)
    for _ in range(30):
        classes = int(random.integers(1, 12))
        probs = random.integers(0, 4, (20, classes)).astype(np.float32)
        labels = random.integers(0, classes, 20).astype(np.int32)
        ranked = [sorted(range(classes), key=lambda index, row=row: (-row[index], index)) for row in probs]
        assert misses(probs, labels, k) == sum(
            label not in order[:k] for label, order in zip(labels, ranked, strict=True)
        )


def test_what_is_not_a_number_is_a_miss():
    assert misses(np.full((2, 9), np.nan, np.float32), np.array([0, 3], np.int32), 5) == 2


def test_each_class_counts_as_much_whatever_its_images_are():
    """Of three images of class 0 one is missed, the one of class 3 is; classes 1 and 2 have none."""
    probs = np.eye(4, dtype=np.float32)[[0, 0, 1, 2]]
    labels = np.array([0, 0, 0, 3], np.int32)
    assert class_error(probs, labels) == pytest.approx((1 / 3 + 1) / 2)
