"""The picture of a dataset: its colour axes (section 4.1), each as long as its deviation."""

import numpy as np
from PIL import Image

from alexnet.data.shards import Dataset
from alexnet.figures.dataset import draw


def test_each_colour_axis_ends_at_its_own_deviations(workshop, tmp_path):
    data = Dataset(workshop.data)
    data.mean = np.full_like(data.mean, 127)
    data.eigenvalues = np.array([1600, 400, 100], data.eigenvalues.dtype)
    data.eigenvectors = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]], data.eigenvectors.dtype)  # columns: G, B, R
    draw(data, tmp_path / "d.png")
    with Image.open(tmp_path / "d.png") as file:
        picture = np.asarray(file.convert("RGB"), int)
    places = []
    for end in ((127, 227, 127), (127, 127, 177), (152, 127, 127)):  # two and a half deviations of 40, 20 and 10
        rows, columns = np.nonzero((abs(picture - end) <= 1).all(axis=-1))
        assert len(rows) > 50
        places.append((rows.mean(), columns.mean()))
    assert places[0][0] < places[1][0] < places[2][0]
