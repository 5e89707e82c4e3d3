"""Recipes that will not do: one line names the key, or the file and the place in it; and which file a name means."""

import pytest

from alexnet.errors import Failure
from alexnet.recipe import bundled, load

SMALL = """
[net]
columns = 2
crop = 8
layers = [
  { conv = "conv1", kernels = 4, size = 3, std = "he" },
  { exchange = "cross2" },
  { fc = "fc2", units = "classes" },
  { exchange = "cross3" },
  { softmax = "loss" },
]
"""


def failure(changes, source="alexnet"):
    """The line that a user sees."""
    with pytest.raises(Failure) as caught:
        load(source, changes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ("train.bach=3", ["train.bach", "'train.batch'"]),
        ("batch=3", ["'train.batch'"]),
        ("augment.color=false", ["'augment.colour'"]),
        ("net.conv9.kernels=3", ["'net.conv1.kernels'"]),
        ("net.conv1.kernel=3", ["'net.conv1.kernels'"]),
        ("net.conv1.rate=3", ["'net.conv1.rate_times'"]),
        ("train.batch=0", ["train.batch = 0", "whole number from 1"]),
        ("train.batch=1.5", ["train.batch = 1.5", "whole number"]),
        ("train.batch=true", ["train.batch = true", "whole number"]),
        ("train.batch=99999999999999", ["2147483647"]),
        ("augment.crop=center", ['"random" or "centre"']),
        ("augment.colour=1", ["augment.colour = 1", "true or false"]),
        ("dropout=1", ["from 0 to below 1"]),
        ("dropout=nan", ["dropout"]),
        ("train.rate=inf", ["train.rate"]),
        ("train.rate=-0.1", ["train.rate = -0.1"]),
        ("train.drop_factor=0", ["above 0 to 1"]),
        ("net.norm1.k=0", ["net.norm1.k", "above 0"]),
        ("net.conv1.std=hee", ['a number from 0 on or "he"']),
        ("net.fc8.units=class", ['"classes"']),
        ("net.relu1.kind=rely", ["net.relu1.kind", "'relu'"]),
        ("net.conv1.kind=relu", ["net.conv1.kernels", "unknown key"]),
        ("net.without=conv44", ["conv44", "'conv4'"]),
        ("net.without=3", ["net.without"]),
        ("net.with*=3", ["net.without = 3", "list of layers"]),
        ("net.layers=[]", ["net.layers", "recipe file"]),
        ("train.batch", ["key=value"]),
        ("=3", ["key=value"]),
        ("train.drop_epochs=[3,2]", ["train.drop_epochs", "rising"]),
        ("train.drop_epochs=[3,-2]", ["train.drop_epochs[1]"]),
        ("train.events=[{epoch=1,set={'net.conv1.kernels'=3}}]", ["train.events[0].set", "net.conv1.kernels"]),
        ("train.events=[{epoch=1,set={'augment.colour'=3}}]", ["train.events[0].set", "augment.colour"]),
        ("train.events=[{epoch=1,set={'augment.color'=true}}]", ["train.events[0].set", "'augment.colour'"]),
        ("train.events=[{epoch=1}]", ["train.events[0]", "set"]),
    ],
)
def test_a_wrong_change_names_the_key(change, parts):
    line = failure([change])
    assert all(part in line for part in parts), line


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("crop = 8", "crops = 8", ["net.crops", "'net.crop'"]),
        ("[net]", "[nett]", ["nett", "'net'"]),
        ('"cross2"', '"conv1"', ["two layers", "conv1"]),
        ("{ conv =", "{ convolution =", ["convolution", "'conv'"]),
        ("kernels = 4, ", "", ["net.conv1", "kernels"]),
        ('{ softmax = "loss" }', '{ softmax = "loss", relu = "x" }', ["softmax", "relu"]),
        ('"conv1"', '"co.nv"', ["co.nv"]),
        ('"conv1"', "3", ["conv = 3"]),
        ('"conv1"', '"crop"', ["crop"]),
        ('{ softmax = "loss" }', "{}", ["net.layers[4]"]),
        ('{ softmax = "loss" }', "3", ["net.layers[4]"]),
        ("columns = 2", 'columns = "two"', ["net.columns"]),
        ("crop = 8", "crop = ", ["line 4"]),
        ("crop = 8", "crop = 8\ncrop = 9", ["line 5"]),
    ],
)
def test_a_wrong_file_names_file_and_place(old, new, parts, tmp_path):
    path = tmp_path / "mine.toml"
    assert old in SMALL
    path.write_text(SMALL.replace(old, new, 1))
    line = failure([], path)
    assert "mine.toml" in line and all(part in line for part in parts), line


def test_files_that_cannot_be_read(tmp_path):
    line = failure([], "alexnett")
    assert all(name in line for name in bundled())
    assert "absent.toml" in failure([], tmp_path / "absent.toml")
    (tmp_path / "latin.toml").write_bytes(b"x = '\xe9'")
    assert "UTF-8" in failure([], tmp_path / "latin.toml")
    (tmp_path / "folder.toml").mkdir()
    assert "folder.toml" in failure([], tmp_path / "folder.toml")
    (tmp_path / "deep.toml").write_text("x = " + "[" * 5000)
    assert "deep.toml" in failure([], tmp_path / "deep.toml")
    (tmp_path / "without_suffix").write_text(SMALL)
    assert load(tmp_path / "without_suffix").net.crop == 8


def test_a_bundled_name_is_not_shadowed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "alexnet").write_text(SMALL)
    assert load("alexnet").net.crop == 224
    assert load("./alexnet").net.crop == 8
