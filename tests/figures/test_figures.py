"""The pictures show what they were given: looked for by colour and place in the written pixels."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
from PIL import Image

from alexnet.errors import Failure
from alexnet.figures.canvas import INK
from alexnet.figures.confusion import confusion_figure
from alexnet.figures.paper import (
    OTHER,
    RIGHT,
    kernels_figure,
    neighbours_figure,
    predictions_figure,
    training_figure,
)

RED, BLUE, GREEN = (255, 127, 127), (127, 127, 255), (0, 200, 0)


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def near(picture, colour, within=3):
    """Where `colour` is; a name such as "#a8c5da" or three numbers in 0..255."""
    if isinstance(colour, str):
        colour = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    return (abs(picture - np.array(colour)) <= within).all(axis=-1)


def flat(colour, side=64):
    return np.full((side, side, 3), colour, np.uint8)


def test_kernels_of_column_1_stand_above_those_of_column_2(tmp_path):
    """Fig. 3. Each has its own range: 0.001 is as bright as 1 where it is its kernel's largest."""
    weights = np.zeros((96, 3, 11, 11), np.float32)
    weights[:48, 0] = 0.001
    weights[:24, 0] = 1
    weights[48:, 2] = 1
    weights[95] = 0
    kernels_figure(weights, 2, tmp_path / "k.png")
    picture = pixels(tmp_path / "k.png")
    red, blue = near(picture, RED), near(picture, BLUE)
    assert np.nonzero(red)[0].max() < np.nonzero(blue)[0].min()
    assert red.sum() / blue.sum() == pytest.approx(48 / 47, rel=0.01)  # a kernel is 2 % of them
    rows, columns = np.nonzero(near(picture, (127, 127, 127)))
    assert rows.min() > picture.shape[0] * 0.7 and columns.min() > picture.shape[1] * 0.9


def test_a_kernel_is_drawn_upright_and_in_rgb(tmp_path):
    weights = np.zeros((1, 3, 4, 4), np.float32)
    weights[0, 1, 0, 3] = 2
    weights[0, 2, 3, 0] = -2
    kernels_figure(weights, 1, tmp_path / "k.png")
    picture = pixels(tmp_path / "k.png")
    up, down = np.argwhere(near(picture, (127, 255, 127))), np.argwhere(near(picture, (127, 127, 0)))
    assert len(up) and len(down)
    assert up[:, 0].max() < down[:, 0].min() and up[:, 1].min() > down[:, 1].max()


@pytest.mark.parametrize(("kernels", "columns"), [(24, 2), (96, 4), (32, 1), (34, 2)])
def test_any_number_of_kernels(kernels, columns, tmp_path):
    weights = np.ones((kernels, 3, 5, 5), np.float32)
    kernels_figure(weights, columns, tmp_path / "k.png")
    picture = pixels(tmp_path / "k.png")
    starts = np.diff(near(picture, (255, 255, 255)).astype(int), axis=1) == -1
    assert starts.sum(axis=1).max() >= min(16, kernels // columns)


def test_the_right_labels_bar_is_red_and_as_long_as_its_probability(tmp_path):
    """Fig. 4, left."""
    probs = np.zeros((1, 10), np.float32)
    probs[0, :6] = [0.05, 0.5, 0.25, 0.08, 0.07, 0.03]
    names = [" "] * 10
    lengths = {}
    for right in (1, 2, 9):
        predictions_figure([flat(GREEN)], [right], probs, names, tmp_path / "p.png")
        picture = pixels(tmp_path / "p.png")
        lengths[right] = near(picture, RIGHT).sum(axis=1).max(), near(picture, OTHER).sum(axis=1).max()
    assert lengths[1][0] == pytest.approx(2 * lengths[2][0], abs=3)  # pixels at both ends are of two colours
    assert lengths[1][1] == pytest.approx(lengths[2][0], abs=1)
    assert lengths[2][1] == pytest.approx(lengths[1][0], abs=1)
    assert lengths[9][0] == 0 and lengths[9][1] > 0


def test_a_bar_over_the_whole_width_is_certainty(tmp_path):
    """So bars of two images can be compared: half as sure is half as long."""
    names, lengths = [" "] * 10, []
    for sure in (1.0, 0.5):
        probs = np.zeros((1, 10), np.float32)
        probs[0, 1] = sure
        predictions_figure([flat(GREEN)], [1], probs, names, tmp_path / "p.png")
        lengths.append(near(pixels(tmp_path / "p.png"), RIGHT).sum(axis=1).max())
    assert lengths[0] == pytest.approx(2 * lengths[1], abs=3)


def test_as_many_pictures_as_asked(tmp_path):
    probs = np.full((10, 3), 1 / 3, np.float32)
    areas = []
    for count in (1, 4, 8):
        predictions_figure([flat(GREEN)] * 10, [0] * 10, probs, ["a", "b", "c"], tmp_path / "p.png", count)
        areas.append(near(pixels(tmp_path / "p.png"), GREEN).sum())
    assert areas[1] == pytest.approx(4 * areas[0], rel=0.1)  # one more is a quarter, of eight an eighth
    assert areas[2] == pytest.approx(2 * areas[1], rel=0.05)


def test_names_of_any_kind(tmp_path, capfd):
    """No markup, no line breaks, no warnings."""
    names = ["$a_{ $b", "two\nlines\tand tabs", "x" * 500, "苹果", ""]
    probs = np.full((5, 5), 0.2, np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        predictions_figure([flat(GREEN, 7)] * 5, range(5), probs, names, tmp_path / "p.png")
        neighbours_figure([flat(GREEN)] * 5, [[flat(BLUE)]] * 5, tmp_path / "n.png", names, [[name] for name in names])
    assert pixels(tmp_path / "p.png").shape[1] > 500
    assert capfd.readouterr().err == ""


def test_a_name_stays_on_one_line(tmp_path):
    drawn = []
    for name in ("two lines", "two\nlines"):
        predictions_figure([flat(GREEN)], [0], np.ones((1, 1), np.float32), [name], tmp_path / "p.png")
        drawn.append(pixels(tmp_path / "p.png"))
    assert np.array_equal(*drawn)


def test_neighbours_stand_right_of_their_query(tmp_path):
    """Fig. 4, right."""
    rows = [[flat((250, 200, 0))] * 6, [flat((0, 200, 250))] * 4]
    names = ["", ""], [[""] * 6, [""] * 4]
    neighbours_figure([flat((200, 0, 0)), flat((0, 0, 200))], rows, tmp_path / "n.png", *names)
    picture = pixels(tmp_path / "n.png")
    first, second = np.argwhere(near(picture, (200, 0, 0))), np.argwhere(near(picture, (0, 0, 200)))
    six, four = np.argwhere(near(picture, (250, 200, 0))), np.argwhere(near(picture, (0, 200, 250)))
    assert len(six) == pytest.approx(6 * len(first), rel=0.05) and len(four) == pytest.approx(4 * len(second), rel=0.05)
    assert first[:, 1].max() < six[:, 1].min() and second[:, 1].max() < four[:, 1].min()
    assert first[:, 0].max() < second[:, 0].min() and set(six[:, 0]) == set(first[:, 0])


def rows(steps, loss=lambda step: 2.0):
    log = [{"event": "start", "step": 0}]
    for step in range(1, steps + 1):
        log.append({"step": step, "epoch": step / 10, "loss": loss(step), "top1_error": 0.5, "rate": 0.01})
        if step % 10 == 0:
            log.append(
                {"step": step, "epoch": step / 10, "val_loss": 1.0, "val_top1_error": 0.4, "val_top5_error": 0.1}
            )
    return log


@pytest.mark.parametrize("steps", [1, 2, 60, 400])
def test_training_curves(steps, tmp_path):
    training_figure(rows(steps), tmp_path / "t.png")
    picture = pixels(tmp_path / "t.png")
    validated = near(picture, RIGHT).any()
    assert validated == (steps >= 10) and pixels(tmp_path / "t.png").shape[0] > 900


def test_training_curves_follow_the_log(tmp_path):
    """A falling loss is drawn as a falling line."""
    log = rows(300, lambda step: None if step % 7 == 0 else 3.0 if step < 150 else 1.0)
    training_figure(log, tmp_path / "t.png")
    picture = pixels(tmp_path / "t.png")
    upper = picture[: picture.shape[0] // 3]
    places = np.argwhere(near(upper, "#3d6c8e", 12))
    middle = places[:, 1].mean()
    early, late = places[places[:, 1] < middle * 0.7], places[places[:, 1] > middle * 1.2]
    assert np.median(early[:, 0]) < np.median(late[:, 0]) - 50


def test_the_place_of_the_legend_is_not_searched_for(tmp_path):
    """The search looks at every point, of which a long run has a million; a rising loss would move it to the left."""
    training_figure(rows(300, lambda step: step / 300), tmp_path / "t.png")
    picture = pixels(tmp_path / "t.png")
    _, columns = np.nonzero(near(picture[: picture.shape[0] // 6], INK, 40))
    assert (columns > picture.shape[1] * 0.7).any()


def test_steps_whose_loss_was_null_are_left_out(tmp_path):
    log = rows(40, lambda step: None if step % 7 == 0 else 3.0)
    pictures = []
    for each in (log, [{key: row[key] for key in row if row[key] is not None} for row in log]):
        training_figure(each, tmp_path / "t.png")
        pictures.append(pixels(tmp_path / "t.png"))
    assert (pictures[0] == pictures[1]).all()


def test_what_cannot_be_drawn_or_written(tmp_path):
    weights = np.zeros((2, 3, 3, 3), np.float32)
    with pytest.raises(Failure, match="no step"):
        training_figure(rows(0), tmp_path / "t.png")
    with pytest.raises(Failure, match="cannot write"):
        kernels_figure(weights, 1, tmp_path / "absent" / "k.png")
    with pytest.raises(Failure, match=r"k\.docx"):
        kernels_figure(weights, 1, tmp_path / "k.docx")
    assert not any(tmp_path.iterdir())


def test_matplotlib_is_imported_late_and_keeps_no_state(tmp_path):
    code = (
        "import sys, alexnet.figures.paper as f; assert 'matplotlib' not in sys.modules;"
        "import numpy as n; f.kernels_figure(n.ones((2, 3, 2, 2), 'f'), 1, sys.argv[1]);"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "k.png"], check=True)
    assert near(pixels(tmp_path / "k.png"), (255, 255, 255)).any()


@pytest.mark.parametrize("count", [3, 30, 60])
def test_a_confusion_matrix_has_a_dark_diagonal_where_a_net_is_right(count, tmp_path):
    matrix = np.eye(count, dtype=np.int64) * 7
    matrix[0] = 0
    matrix[0, -1] = 3
    confusion_figure(matrix, [f"class ${n}$" for n in range(count)], tmp_path / "m.png")
    dark = np.argwhere(near(pixels(tmp_path / "m.png"), (8, 48, 107), 12))
    up, right = dark[dark[:, 0].argmin()], dark[:, 1].max()
    cell = np.ptp(dark[:, 1]) / (count - 1)  # no class is taken for the first
    assert right - up[1] <= cell + 3, "what is said of the first class is the last"
    left = dark[dark[:, 1].argmin()]
    assert left[0] - up[0] >= cell - 3, "the second row is the first one that is right"
