"""Images that show several classes: from a made-up VOCdevkit/VOC2007 to the precision of a search for each of them."""

import json
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from plans import tiny
from samples import encoded, write

from alexnet.baselines import run
from alexnet.baselines.scores import average_precision
from alexnet.baselines.searches import searches
from alexnet.cli.baseline import baseline
from alexnet.data.shards import Dataset
from alexnet.errors import Failure
from data_prep import PrepOptions, prepare

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "voc2007.sh"
COLOURS = {"boat": (30, 60, 220), "cat": (220, 180, 40), "sofa": (200, 30, 60)}
PARTS = {"trainval": range(1, 41), "test": range(41, 61)}
TINY = tiny(((1, 1),), epochs=10)


def signs_of(number: int) -> list[int]:
    """Of an image: whether it shows each class, or hardly; it shows one at least."""
    signs = np.random.default_rng(number).choice([-1, 0, 1], len(COLOURS), p=[0.5, 0.1, 0.4])
    signs[number % len(COLOURS)] = 1
    return signs.tolist()


def picture(number: int) -> bytes:
    """A class is a coloured square in a corner of its own, faint where it is difficult."""
    pixels = np.random.default_rng(number).integers(100, 130, (48, 48, 3), np.uint8)
    for sign, colour, corner in zip(signs_of(number), COLOURS.values(), ((0, 0), (0, 24), (24, 0)), strict=True):
        if sign >= 0:
            part = pixels[corner[0] : corner[0] + 24, corner[1] : corner[1] + 24]
            part[...] = colour if sign else (0.8 * part + 0.2 * np.array(colour)).astype(np.uint8)
    return encoded(pixels, "JPEG")


@pytest.fixture(scope="module")
def devkit(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("VOCdevkit") / "VOC2007"
    for part, numbers in PARTS.items():
        images = [f"{number:06}" for number in numbers]
        for number, image in zip(numbers, images, strict=True):
            write(root / "JPEGImages" / f"{image}.jpg", picture(number))
        write(root / "ImageSets" / "Main" / f"{part}.txt", "\n".join(images).encode())
        for place, name in enumerate(COLOURS):
            lines = (f"{image} {signs_of(number)[place]:2}\n" for number, image in zip(numbers, images, strict=True))
            write(root / "ImageSets" / "Main" / f"{name}_{part}.txt", "".join(lines).encode())
    return root


@pytest.fixture(scope="module")
def data(devkit, tmp_path_factory) -> Dataset:
    """As the script and `alexctl prep` make it."""
    here = tmp_path_factory.mktemp("here")
    (here / "scripts").mkdir()
    shutil.copy(SCRIPT, here / "scripts")
    done = subprocess.run(["bash", here / "scripts" / SCRIPT.name, devkit], check=True, capture_output=True, text=True)
    assert done.stdout == "images/voc2007\n"
    prepare(here / "images" / "voc2007", here / "data", PrepOptions(size=32, workers=1))
    return Dataset(here / "data")


def by_definition(scores: np.ndarray, signs: np.ndarray) -> float:
    """In fractions: at each recall of 0, 0.1, .. 1 the greatest precision that is had at it or beyond; their mean."""
    ranked = sorted((number for number in range(len(signs)) if signs[number]), key=lambda number: -scores[number])
    right, points = 0, []
    for shown, number in enumerate(ranked, 1):
        right += signs[number] == 1
        points.append((int(right), Fraction(int(right), shown)))
    greatest = [max(at for had, at in points if Fraction(had, points[-1][0]) >= Fraction(t, 10)) for t in range(11)]
    return float(sum(greatest) / 11)


@pytest.mark.parametrize("count", [1, 2, 10, 37])
def test_average_precision_is_as_it_is_defined(count):
    random = np.random.default_rng(count)
    for _ in range(20):
        signs = random.integers(-1, 2, count).astype(np.int8)
        signs[random.integers(count)] = 1
        scores = random.integers(0, 6, count).astype(np.float32)  # some are alike: the first comes first
        assert average_precision(scores, signs) == pytest.approx(by_definition(scores, signs), rel=1e-14)


def test_average_precision_by_hand():
    """Right, wrong, difficult, right, right: 1 up to a third of all, then 3/4."""
    scores, signs = np.array([5.0, 4, 3, 2, 1]), np.array([1, -1, 0, 1, 1], np.int8)
    assert average_precision(scores, signs) == pytest.approx((4 * 1 + 7 * 0.75) / 11)


def test_an_image_has_the_signs_of_the_lists_whatever_folder_it_lies_in(data, devkit):
    assert {split: data.counts[split] for split in ("train", "val")} == {"train": 40, "val": 20}, "nothing is held back"
    for split in ("train", "val"):
        there = data.split(split)
        wanted = np.array([signs_of(int(Path(name).stem)) for name in there.names])
        np.testing.assert_array_equal(searches(devkit / "ImageSets" / "Main").signs(there), wanted)
        assert (wanted == 0).any() and ((wanted == 1).sum(axis=1) > 1).any()
        for name, signs in zip(there.names, wanted, strict=True):
            assert Path(name).parent.name == [*COLOURS][np.flatnonzero(signs >= 0)[0]], "the first that it shows"


def test_each_class_is_searched_for(data, devkit, monkeypatch, capsys):
    seen = []
    judge = run.precisions
    monkeypatch.setattr(run, "plan", lambda *_: TINY)
    monkeypatch.setattr(run, "precisions", lambda scores, **facts: seen.append(scores) or judge(scores, **facts))
    baseline(data.path, labels=devkit / "ImageSets" / "Main", workers=1, json=True)
    *lines, last = capsys.readouterr().out.splitlines()
    told = json.loads(last)
    signs = np.array([signs_of(int(Path(name).stem)) for name in data.split("val").names])
    for scores, found in zip(seen, [*told["channels"].values(), told], strict=True):
        wanted = {name: by_definition(scores[:, place], signs[:, place]) for place, name in enumerate(COLOURS)}
        assert found["average_precisions"] == pytest.approx(wanted, rel=1e-12)
        assert found["mean_average_precision"] == pytest.approx(np.mean([*wanted.values()]))
    assert told["channels"]["colour"]["mean_average_precision"] > 0.9  # at random about half
    assert (told["images"], told["learnt"]) == (20, 40)
    assert [line.split()[0] for line in lines] == ["boat", "cat", "sofa", "colour", "hog", "together"]
    assert lines[-1].endswith(f"mean average precision {told['mean_average_precision']:7.2%}")


@pytest.mark.parametrize(
    ("file", "content", "match"),
    [
        ("cat_test.txt", "000041  1\n000042 maybe\n", r"cat_test\.txt, line 2: '000042 maybe': write an image's name"),
        ("cat_test.txt", "000041  1\n", r"of the val images 000042 is on no list of cat"),
        ("cat_test.txt", "".join(f"{number:06} -1\n" for number in PARTS["test"]), "none of the val images shows cat"),
        ("cat_test.txt", None, r"cat_test\.txt cannot be read"),
        ("*_trainval.txt", None, r"has no lists such as cat_trainval\.txt"),
    ],
)
def test_lists_that_do_not_fit_are_told_in_a_line(data, devkit, tmp_path, file, content, match):
    lists = tmp_path / "Main"
    shutil.copytree(devkit / "ImageSets" / "Main", lists)
    for path in lists.glob(file):
        path.unlink()
    if content:
        (lists / file).write_text(content)
    with pytest.raises(Failure, match=match) as failure:
        run.search(data, "fisher", lists)
    assert "\n" not in str(failure.value)
