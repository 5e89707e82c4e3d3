"""The maps of every layer: which values are how bright, and which sheet is whose column's."""

import numpy as np
import small
from command import alexctl
from PIL import Image

from alexnet.figures.maps import rows, sheet
from alexnet.recipe import load
from alexnet.recipe.topology import topology


def test_a_sheet_has_each_map_in_its_place_by_one_scale():
    """Black is zero or less, white the largest of all; eight in a row."""
    maps = np.zeros((10, 2, 3), np.float32)
    maps[0, 0, 0], maps[9, 1, 2], maps[3] = 4, 2, -5
    found = sheet(maps)
    assert found.shape == (2 * 3 - 1, 8 * 4 - 1)
    assert found[0, 0] == 255 and found[3 + 1, 4 + 2] == 128 and not found[:2, 12:15].any()
    assert sheet(-maps[3:4]).max() == 255 and not sheet(maps[1:2]).any()
    assert sheet(np.arange(130, dtype=np.float32).reshape(130, 1, 1)).shape == (3, 64)


def test_rows_are_the_columns_side_by_side_with_the_crossings(tmp_path):
    (tmp_path / "small.toml").write_text(small.RECIPE)
    shapes = topology(load(tmp_path / "small.toml").net, 3)
    maps = {"relu1": np.zeros((8, 10, 10), np.float32), "relu3": np.zeros((8, 5, 5), np.float32)}
    maps["relu1"][5:] = 1  # of the second column alone
    found = list(rows(shapes, maps | {"loss": np.ones((3, 1, 1), np.float32)}))
    assert [row.name for row in found] == ["relu1", "cross3", "relu3", "cross6", "cross7", "cross9", "loss"]
    assert [len(row.sheets) for row in found] == [2, 0, 2, 0, 0, 0, 1]
    first, second = found[0].sheets
    assert not (first == 255).any() and (second == 255).sum() == 300
    assert found[1].text == "the columns meet" and found[0].text == "relu, 8x11x11"


def test_the_picture(workshop, trained, tmp_path):
    image = next((workshop.folder / "images" / "class1").glob("*.png"))
    alexctl("maps", trained, image, "--out", tmp_path / "m.png", "--device", "cpu")
    with Image.open(tmp_path / "m.png") as picture:
        values = np.asarray(picture.convert("RGB")).astype(int)
    golden = (abs(values - np.array([0xC9, 0xA2, 0x27])) < 3).all(axis=2)
    assert len(np.unique(np.nonzero(golden)[0] // 20)) >= 4, "a line where the columns cross"
    assert "none.jpg" in alexctl("maps", trained, "none.jpg", "--device", "cpu", code=1).stderr
