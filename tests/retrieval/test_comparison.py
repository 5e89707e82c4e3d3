"""The comparison of codes against brute force and loops from the measures' definitions; the command on images."""

import json

import numpy as np
import pytest
from command import alexctl
from PIL import Image

from alexnet import pca
from alexnet.data.shards import Dataset
from alexnet.errors import Failure
from alexnet.retrieval import comparison, hyperplanes, pixels
from alexnet.retrieval.autoencoder import Training
from alexnet.retrieval.comparison import Plan, measure
from alexnet.retrieval.features import Features, Origin, write
from alexnet.retrieval.index import read
from alexnet.retrieval.pixels import write_pixels


def plan(rows: Features, queries: Features, bits: tuple[int, ...], data: Dataset | None = None) -> Plan:
    return Plan(rows.path, queries.path, rows.path.parent / "codes", data, bits, Training(epochs=2), 3)


def apart(bits: np.ndarray, query: np.ndarray) -> list[int]:
    return [sum(a != b for a, b in zip(row, query, strict=True)) for row in bits.tolist()]


def by_definition(bits, own, true, labels, query_labels) -> tuple[dict, dict, float]:
    """Recall, precision and mean average precision of a ranking by bits that differ, ties by number."""
    recall, precision, averages = {10: 0.0, 100: 0.0}, {1: 0.0, 10: 0.0, 100: 0.0}, []
    for query, near, label in zip(own.tolist(), true, query_labels, strict=True):
        distances = apart(bits, query)
        ranking = sorted(range(len(bits)), key=lambda row, distances=distances: (distances[row], row))
        for depth in recall:
            recall[depth] += len(set(ranking[:depth]) & set(near)) / 10 / len(own)
        for depth in precision:
            precision[depth] += np.mean([labels[row] == label for row in ranking[:depth]]) / len(own)
        places = [place for place, row in enumerate(ranking, 1) if labels[row] == label]
        averages.append(np.mean([(hit + 1) / place for hit, place in enumerate(places)]))
    return recall, precision, float(np.mean(averages))


def test_every_line_is_that_of_the_definitions(clouds, monkeypatch):
    monkeypatch.setattr(comparison, "ASKED", 6)
    monkeypatch.setattr(comparison, "LEARNT", 80)
    rows, queries = clouds("rows.h5", 120), clouds("queries.h5", 11, seed=1)
    asked = plan(rows, queries, (12, 6))
    found = measure(asked, 1)
    assert list(found) == ["features"]
    values, chosen = rows.all().astype(np.float64), [0, 2, 4, 6, 8, 10]  # evenly over the eleven
    wanted, labels = queries.all().astype(np.float64)[chosen], queries.labels[chosen]
    squared = ((values[None] - wanted[:, None]) ** 2).sum(axis=2)
    nearest = np.argsort(squared, axis=1, kind="stable")
    assert (found["features"].by_distance == nearest[:, :100]).all()
    lines = {(line.method, line.bits): line for line in found["features"].rows}
    assert len(lines) == len(found["features"].rows) == 1 + 2 * 4
    euclid = lines["Euclid", None]
    alike = rows.labels[nearest] == labels[:, None]
    assert euclid.precision == pytest.approx({depth: alike[:, :depth].mean() for depth in (1, 10, 100)})
    assert (euclid.bytes, euclid.recall, euclid.mean_average_precision) == (64, {}, None)
    learnt = rows.all().astype(np.float32)[np.linspace(0, 119, 80).astype(int)]
    axes = pca.fit(learnt, 12)
    for bits in (12, 6):
        encoders = {
            "autoencoder": read(asked.out / f"codes-features-{bits}.h5").net,
            "LSH": hyperplanes.random(learnt, bits, 3),
            "PCA": hyperplanes.principal(axes, bits),
            "ITQ": hyperplanes.rotated(learnt, axes, bits, 3),
        }
        for method, encoder in encoders.items():
            codes, own = encoder(values.astype(np.float32)), encoder(wanted.astype(np.float32))
            recall, precision, average = by_definition(codes, own, nearest[:, :10], rows.labels, labels)
            line = lines[method, bits]
            assert line.recall == pytest.approx(recall) and line.precision == pytest.approx(precision)
            assert line.mean_average_precision == pytest.approx(average)
            assert line.bytes == 8 and line.ms > 0 and line.lookup_ms > 0
            within = [sum(each <= 2 for each in apart(codes, query)) for query in own.tolist()]
            assert line.looked_up == pytest.approx(np.mean(within))
    index = read(asked.out / "codes-features-12.h5")
    assert (found["features"].by_code == index.search(wanted.astype(np.float32), 100)).all()


def test_long_codes_are_not_looked_up(clouds):
    (line,) = [
        line
        for line in measure(plan(clouds("r.h5", 60), clouds("q.h5", 3), (32,)), 1)["features"].rows
        if line.method == "LSH"
    ]
    assert line.lookup_ms is not None
    assert comparison._row("features", "LSH", 33, *([np.zeros((4, 1), np.uint64)] * 2), _nothing()).lookup_ms is None


def _nothing() -> comparison.Quality:
    return comparison.Quality({}, {}, 0.0)


def test_what_does_not_belong_together_is_refused_before_anything_is_made(clouds):
    rows = clouds("r.h5", 40)
    with pytest.raises(Failure, match="not of one layer of one net"):
        measure(plan(rows, clouds("q.h5", 5, net="other"), (4,)), 1)
    with pytest.raises(Failure, match=r"40 rows of 32 values have no 33 principal axes .* ask for --bits 32 at most"):
        measure(plan(rows, clouds("s.h5", 5), (33,)), 1)
    with pytest.raises(Failure, match="has 9 rows: 10 are the least"):
        measure(plan(clouds("few.h5", 9), clouds("s.h5", 5), (4,)), 1)
    assert not (rows.path.parent / "codes").exists()


@pytest.fixture(scope="module")
def data(workshop) -> Dataset:
    return Dataset(workshop.data)


def test_pixels_are_the_images_at_32(data, tmp_path, monkeypatch):
    write_pixels(data, "train", 7, tmp_path / "p.h5")
    images, found = data.split("train"), Features(tmp_path / "p.h5")
    assert found.origin == Origin("", "pixels", data.identity, "train")
    assert (found.labels == images.labels[:7]).all()
    assert (found.all() == np.stack([images.image(row).ravel() for row in range(7)])).all()  # they are of 32x32
    large = np.kron(images.image(0), np.ones((4, 4, 1), np.uint8))
    monkeypatch.setattr(type(images), "image", lambda split, row: large)
    write_pixels(data, "val", 2, tmp_path / "large.h5")
    wanted = np.asarray(Image.fromarray(large).resize((32, 32), Image.Resampling.BICUBIC))
    assert (Features(tmp_path / "large.h5").all().reshape(2, 32, 32, 3) == wanted).all()


def features_of(data: Dataset, split: str, path) -> Features:
    """Made-up features that tell the classes apart."""
    labels = data.split(split).labels
    rows = np.random.default_rng(len(labels)).normal(labels[:, None], 0.3, (len(labels), 40))
    write(path, Origin("n", "relu6", data.identity, split), labels, 40, lambda images: rows[images.start : images.stop])
    return Features(path)


def test_the_command_measures_codes_of_features_and_pixels_and_draws_them(data, tmp_path, monkeypatch):
    monkeypatch.setattr(pixels, "SIDE", 8)
    rows, queries = (features_of(data, split, tmp_path / f"{split}.h5") for split in ("train", "val"))
    words = ["codes", rows.path, queries.path, "--out", tmp_path / "out", "--epochs", 1, "--workers", 1, "--json"]
    words += ["--bits", 8, "--bits", 16, "--seed", 3, "--data", data.path]
    done = alexctl(*words)
    lines = done.stdout.splitlines()
    found = json.loads(lines[-1])["codes"]
    assert [(each["of"], each["method"], each["bits"]) for each in found] == [
        (of, method, bits)
        for of in ("features", "pixels")
        for method, bits in [
            ("Euclid", None),
            *((method, bits) for bits in (8, 16) for method in ("autoencoder", "LSH", "PCA", "ITQ")),
        ]
    ]
    assert lines[0].split() == ["of", "method", "bits", "bytes", "ms", "R@10", "P@1", "P@10", "mAP"]
    first, share = lines[2].split(), found[1]["recall"]["10"]
    assert first[:4] == ["features", "autoencoder", "8", "8"] and first[5] == f"{share:.1%}"
    assert "pixels by ITQ, 16 bits as an address" in done.stdout
    assert {each.name for each in (tmp_path / "out").iterdir()} == {
        "codes-features-8.h5",
        "codes-features-16.h5",
        "codes-pixels-8.h5",
        "codes-pixels-16.h5",
        "pixels.h5",
        "pixels-queries.h5",
        "codes.png",
    }

    def measured(text: str) -> list[dict]:
        return [
            {key: each[key] for key in ("recall", "precision", "mean_average_precision", "looked_up")}
            for each in json.loads(text.splitlines()[-1])["codes"]
        ]

    (tmp_path / "out" / "codes.png").unlink()
    again = alexctl(*words[:-2])  # without the data: the features' codes as they were, no picture
    assert measured(again.stdout) == measured(done.stdout)[:9]
    assert not (tmp_path / "out" / "codes.png").exists()


def test_wrong_inputs_of_the_command_end_in_one_line(data, clouds, tmp_path):
    rows, queries = clouds("r.h5", 40), clouds("q.h5", 5)
    strange = alexctl("codes", rows.path, queries.path, "--out", tmp_path / "o", "--data", data.path, code=1)
    assert strange.stderr.splitlines()[-1].endswith("ask for --bits 32 at most")
    other = ("codes", rows.path, queries.path, "--out", tmp_path / "o", "--data", data.path, "--bits", 4)
    assert "is of another dataset than" in alexctl(*other, code=1).stderr.splitlines()[-1]
    missing = alexctl("codes", tmp_path / "none.h5", queries.path, "--out", tmp_path / "o", code=1)
    assert "none.h5 is missing: make it with alexctl features" in missing.stderr
    (tmp_path / "file").write_text("")
    taken = alexctl("codes", rows.path, queries.path, "--out", tmp_path / "file", "--bits", 4, code=1)
    assert len(taken.stderr.splitlines()) == 1 and "file" in taken.stderr
