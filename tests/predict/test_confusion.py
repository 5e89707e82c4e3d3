"""What an evaluation says of each class, against counts by hand."""

from pathlib import Path

import numpy as np
import pytest

from alexnet.data.format import ClassInfo
from alexnet.errors import Failure
from alexnet.predict.confusion import Confusion, confusion
from alexnet.predict.evaluate import Errors

CLASSES = [
    ClassInfo(index, f"n{index}", name) for index, name in enumerate(["cat", "dog", "eel", "fox", "gnu", "hen", "ox"])
]


def found():
    """Seven classes: image by image the right one, and the classes from the likeliest on."""
    said = [(0, [0, 1]), (0, [1, 0]), (0, [1, 2, 3, 4, 5, 0]), (1, [1]), (2, [1]), (6, [2, 3, 4, 5, 0, 6])]
    probs = np.zeros((len(said), 7), np.float32)
    for row, (_, order) in enumerate(said):
        probs[row, order] = 2.0 ** -np.arange(1, 1 + len(order))
    labels = np.array([right for right, _ in said], np.int32)
    errors = Errors(4 / 6, 2 / 6, 6, "ten", Path("data"), probs, labels)
    return confusion(errors, CLASSES, "val")


def test_the_matrix_counts_what_was_said_of_each_class():
    matrix = found().matrix
    assert matrix[0].tolist() == [1, 2, 0, 0, 0, 0, 0] and matrix[2, 1] == matrix[6, 2] == matrix[1, 1] == 1
    assert matrix.sum() == 6


def test_errors_of_each_class():
    of = {each.name: (each.images, each.top1_error, each.top5_error) for each in found().classes}
    assert of["cat"] == (3, pytest.approx(2 / 3), pytest.approx(1 / 3))
    assert of["dog"] == (1, 0, 0) and of["eel"] == (1, 1, 0) and of["ox"] == (1, 1, 1)
    assert of["fox"] == (0, None, None)


def test_the_most_frequent_confusions_come_first_and_right_answers_are_none():
    pairs = [(right.name, said.name, images) for right, said, images in found().most()]
    assert pairs == [("cat", "dog", 2), ("eel", "dog", 1), ("ox", "eel", 1)]
    assert len(found().most(1)) == 1


def test_numbers_are_read_back():
    again = Confusion.of_json(found().as_json())
    assert again.as_json() == found().as_json()
    for broken in ({}, {"classes": 3}, found().as_json() | {"matrix": [[1]]}, found().as_json() | {"more": 1}):
        with pytest.raises(Failure, match="not a report"):
            Confusion.of_json(broken)
