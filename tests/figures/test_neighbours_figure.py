"""Fig. 4, right: each query's nearest training images, under their own labels."""

import numpy as np

from alexnet.data.shards import Dataset
from alexnet.figures import gallery
from alexnet.predict.run import open_run


def test_the_nearest_training_images_under_their_own_labels(workshop, trained, tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr(gallery, "neighbours_figure", lambda *what: given.append(what))
    run, data = open_run(trained), Dataset(workshop.data)
    layers = []

    def colours(images, layer):
        layers.append(layer)
        return np.stack([np.asarray(image, np.float32).mean(axis=(0, 1)) for image in images])

    monkeypatch.setattr(run, "features", colours)
    train = data.split("train")
    queries = [train.image(index) for index in (5, 0, 9)]  # of the training set: each is its own nearest
    gallery.draw_neighbours(run, data, queries, [0, 1, 2], tmp_path / "n.png")
    ((shown, rows, _, names, found),) = given
    assert shown is queries and names == ["class0", "class1", "class2"] and set(layers) == {run.recipe.net.last_hidden}
    every = colours([train.image(index) for index in range(len(train))], "")
    for query, row, labels in zip(queries, rows, found, strict=True):
        distances = np.linalg.norm(every - colours([query], ""), axis=1)
        nearest = np.argsort(distances, kind="stable")[: gallery.NEIGHBOURS]
        assert (row[0] == query).all()
        assert all((image == train.image(int(index))).all() for image, index in zip(row, nearest, strict=True))
        assert labels == [f"class{train.labels[index]}" for index in nearest]
