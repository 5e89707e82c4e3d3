"""Text files as people's editors save them: recipes, lists of images and of classes are read whichever way."""

import codecs
from pathlib import Path

import pytest
import small

from alexnet.data.names import classes_in
from alexnet.predict.images import named
from alexnet.recipe import load
from alexnet.texts import is_beside

SAVED = {
    "Notepad": lambda text: codecs.BOM_UTF8 + text.replace("\n", "\r\n").encode(),
    "Unicode": lambda text: text.replace("\n", "\r\n").encode("utf-16"),
    "plain": lambda text: text.encode(),
}


@pytest.fixture(params=SAVED)
def saved(request, tmp_path):
    """Writes a text as an editor does; its path."""

    def write(name: str, text: str) -> Path:
        (tmp_path / name).write_bytes(SAVED[request.param](text))
        return tmp_path / name

    return write


def test_a_recipe(saved, tmp_path):
    (tmp_path / "plain.toml").write_text(small.RECIPE)
    assert load(saved("mine.toml", small.RECIPE)) == load(tmp_path / "plain.toml")


def test_a_list_of_images(saved):
    assert named([], [saved("list.txt", "köln.png\nb.png\n")]) == [Path("köln.png"), Path("b.png")]


def test_names_of_classes(saved):
    found = classes_in(saved("classes.txt", "n01440764 tench\nköln\n"))
    assert [(each.id, each.name) for each in found] == [("n01440764", "tench"), ("köln", "köln")]


@pytest.mark.parametrize("name", [".DS_Store", "._cat.jpg", "__MACOSX", "@eaDir", "$RECYCLE.BIN"])
def test_what_systems_put_beside(name):
    assert is_beside(name) and not is_beside(f"my {name}")
