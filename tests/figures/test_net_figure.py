"""The net drawn as Figure 2: its sizes and crossings are those of the recipe."""

import re
from pathlib import Path

import pytest
from command import alexctl

from alexnet.figures.net import net_figure
from alexnet.recipe import load
from alexnet.recipe.topology import topology

GOLD = "#c9a227"


def drawn(name, classes, path, changes=()):
    net_figure(topology(load(name, list(changes)).net, classes), name, path)
    return told(path)


def told(path):
    """Its texts, and how many golden lines."""
    text = path.read_text()
    return re.findall(r"<!-- (.*?) -->", text), text.count(f"stroke: {GOLD}")


def test_the_paper_s_net(tmp_path):
    """Sizes of Fig. 2, each column's; the columns cross before conv3 and before each FC layer."""
    texts, crossings = drawn("alexnet", 1000, tmp_path / "n.svg")
    for size, times in {"224": 1, "55": 2, "27": 2, "13": 6, "48": 2, "192": 4, "2048": 4, "500": 2}.items():
        assert texts.count(size) == times, size
    assert texts.count("128") == 4 and texts.count("dense") == 6 and texts.count("11x11, stride 4") == 1
    assert sum("max pooling" in text for text in texts) == 6
    assert crossings == 2 * 4


def test_the_readme_s_picture_is_what_its_command_draws_today(tmp_path):
    alexctl("recipes", "alexnet", "--figure", tmp_path / "net.svg")
    kept = Path(__file__).resolve().parents[2] / "docs" / "net.svg"
    size = re.compile(r"viewBox=\S+ \S+ \S+ \S+")
    assert told(kept) == told(tmp_path / "net.svg")
    assert size.findall(kept.read_text()) == size.findall((tmp_path / "net.svg").read_text())


def test_one_column_has_no_crossing(tmp_path):
    texts, crossings = drawn("one-weird-trick", 10, tmp_path / "n.svg")
    assert crossings == 0 and texts.count("64") == 1 and texts.count("4096") == 2


def test_without_a_crossing_there_is_none(tmp_path):
    _, crossings = drawn("alexnet", 10, tmp_path / "n.svg", ["net.without=cross3"])
    assert crossings == 2 * 3


@pytest.mark.parametrize("name", ["cifar-13", "krizhevsky-145"])
def test_any_recipe_by_the_command(name, tmp_path):
    done = alexctl("recipes", name, "--figure", tmp_path / "n.svg", "--classes", 10)
    assert "drawn" in done.stderr and (tmp_path / "n.svg").read_text().rstrip().endswith("</svg>")
    assert "cannot write" in alexctl("recipes", name, "--figure", tmp_path / "n.docx", code=1).stderr
