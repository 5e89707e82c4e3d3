"""Recipes: every key reachable, every mistake named, what is written loads back equal."""

import dataclasses
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from alexnet.errors import Failure
from alexnet.recipe import Recipe, bundled, header, load, parse
from alexnet.recipe.spec import (
    KINDS,
    AugmentSpec,
    AveragePool,
    Conv,
    Exchange,
    Lrn,
    LrnSpatial,
    Softmax,
    Tanh,
    Weighted,
)
from alexnet.runs import control

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


def dotted(recipe):
    """Every key of a recipe as a user would set it, with its value; written without the code under test."""
    tables = tomllib.loads(recipe.to_toml())
    keys = {"dropout": tables["dropout"]}
    for section in ("augment", "data", "train"):
        keys |= {f"{section}.{key}": value for key, value in tables[section].items()}
    keys |= {f"net.{key}": tables["net"][key] for key in ("columns", "crop")}
    for layer in tables["net"]["layers"]:
        kind = next(iter(layer))
        keys |= {f"net.{layer[kind]}.{key}": value for key, value in layer.items() if key != kind}
    return keys


@pytest.mark.parametrize("name", bundled())
def test_bundled_recipes_load_and_come_back_equal(name, tmp_path):
    recipe = load(name)
    path = tmp_path / "recipe.toml"
    path.write_text(recipe.to_toml())
    assert load(path) == recipe
    assert recipe.to_toml() == load(path).to_toml()
    text = "\n".join(header(name))
    assert "Goal:" in text and "Hardware:" in text and "Cost:" in text
    assert bundled()[name] == header(name)[0] != ""


def test_the_written_recipe_is_complete():
    """Defaults are written out: a run's recipe does not depend on the version that reads it."""
    tables = tomllib.loads(load("alexnet").to_toml())
    for section in ("augment", "data", "train"):
        names = {each.name for each in dataclasses.fields(getattr(load("alexnet"), section))}
        assert names == set(tables[section])
    conv = tables["net"]["layers"][0]
    assert set(conv) == {each.name for each in dataclasses.fields(Conv)} - {"name"} | {"conv"}


@pytest.mark.parametrize("key", dotted(load("krizhevsky-145")))
def test_set_reaches_every_key(key):
    """Another valid value, given as a user gives it, arrives at that key and at no other."""
    before = load("krizhevsky-145")
    keys = dotted(before)
    other = {
        "net.columns": 1,
        "net.conv1.edge": "floor",
        "data.access": "blocks",
        "data.mean": "centre",
        "data.train": "train+val",
        "augment.crop": "centre",
        "augment.colour_by": "eigenvalues",
        "train.schedule": "plateau",
        "train.drop_epochs": [1.5, 4.0],
        "train.events": [],
        "net.fc8.units": 77,
        "train.momentum": 0.25,
    }
    old = keys[key]
    if key in other:
        new = other[key]
    elif key.endswith(".edge"):
        new = "ceil" if old == "floor" else "floor"
    elif isinstance(old, bool):
        new = not old
    else:
        new = old + 2 if type(old) is int else old / 2 + 0.125
    given = new if isinstance(new, str) else str(new).lower()
    after = dotted(load("krizhevsky-145", [f"{key}={given}"]))
    assert after[key] == new
    assert after == keys | {key: new}


def advised(text):
    """The changes in a text's `--set` options, without the shell's quotes."""
    found = re.findall(r"--set ('[^']*'|[^\s',;)]+(?:,[^\s',;)]+)*)", text)
    return [each.strip("'").rstrip(".") for each in found if not each.endswith("...")]


@pytest.mark.parametrize("name", ["krizhevsky-145", "krizhevsky-146", "cifar-lrn", "cifar-relu", "cifar-11"])
def test_what_a_header_advises_works(name):
    changes = advised("\n".join(header(name)))
    assert changes
    for change in changes:
        assert load(name, [change]) != load(name)


def test_what_the_guide_advises_works():
    """CONTRIBUTING.md, "Add a recipe"."""
    changes = advised((Path(__file__).parents[2] / "CONTRIBUTING.md").read_text())
    assert len(changes) >= 9
    for change in changes:
        if "KEY" not in change:
            name = "cifar-relu" if "act" in change else "alexnet"
            assert load(name, [change]) != load(name)


def test_values_are_toml_or_bare_text():
    recipe = load(
        "alexnet",
        [
            "augment.crop=centre",
            'augment.colour_by="deviations"',
            "augment.colour=false",
            "dropout=0",
            "net.conv3.std=he",
        ],
    )
    assert recipe.augment.crop == "centre" and recipe.augment.colour_by == "deviations"
    assert recipe.augment.colour is False and recipe.dropout == 0.0 and type(recipe.dropout) is float
    assert next(each for each in recipe.net.layers if each.name == "conv3").std == "he"
    assert load("alexnet", ["augment.reflect = false"]).augment.reflect is False


def test_patterns_kinds_and_layers_left_out():
    """S3, S4, S5 and S11 each by one command."""
    tanh = load("cifar-relu", ["net.act*.kind=tanh"])
    assert [each.name for each in tanh.net.layers if isinstance(each, Tanh)] == ["act1", "act2", "act3"]
    assert [each.kind for each in load("cifar-relu").net.layers].count("relu") == 3
    plain = load("cifar-lrn", ["net.without=norm*"])
    names = [each.name for each in load("cifar-lrn").net.layers]
    assert [each.name for each in plain.net.layers] == [each for each in names if not each.startswith("norm")]
    assert load("alexnet", ["net.without=conv4, relu4"]) == load("alexnet", ['net.without=["relu4","conv4"]'])
    assert len(load("alexnet", ["net.without=conv4,relu4"]).net.layers) == len(load("alexnet").net.layers) - 2
    pools = [each for each in load("alexnet", ["net.pool*.size=2"]).net.layers if each.kind == "max_pool"]
    assert [each.size for each in pools] == [2, 2, 2]
    mean = load("alexnet", ["net.pool5.kind=average_pool"]).net.layers
    assert AveragePool(name="pool5", size=3, stride=2) in mean


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


def test_events_hold_from_their_epoch_on():
    recipe = load("krizhevsky-145")
    assert recipe.at_epoch(67.99) == recipe
    at = recipe.at_epoch(68)
    assert not at.augment.colour and at.net.layers[0].rate_times == 0.1 and at.net.layers[0].bias_rate_times == 2
    frozen = recipe.at_epoch(80)
    assert frozen.net.layers[0].rate_times == frozen.net.layers[0].bias_rate_times == 0
    assert not frozen.augment.colour and recipe.augment.colour
    assert frozen.net.layers[4].bias_rate_times == 2


def test_python_changes_take_python_values():
    recipe = load("alexnet").with_changes({"augment.colour": False, "train.drop_epochs": (1.0, 2.0)})
    assert recipe.augment.colour is False and recipe.train.drop_epochs == (1.0, 2.0)
    events = load("krizhevsky-145").train.events
    assert load("alexnet").with_changes({"train.events": events}).train.events == events


def test_every_kind_is_read():
    lines = {
        "conv": 'conv = "a", kernels = 2, size = 3',
        "local": 'local = "a", kernels = 2, size = 3',
        "fc": 'fc = "a", units = 3',
        "max_pool": 'max_pool = "a", size = 3, stride = 2',
        "average_pool": 'average_pool = "a", size = 3, stride = 2',
        "lrn": 'lrn = "a", n = 5, k = 2, alpha = 1e-4, beta = 0.75',
        "lrn_spatial": 'lrn_spatial = "a", n = 5, k = 2, alpha = 1e-4, beta = 0.75',
    }
    for kind, layer in KINDS.items():
        line = lines.get(kind, f'{kind} = "a"')
        (found,) = parse(tomllib.loads(f"net.layers = [{{ {line} }}]")).net.layers
        assert type(found) is layer and found.name == "a"
    assert type(load("alexnet").net.layers[-1]) is Softmax
    assert any(type(each) is Exchange for each in load("alexnet").net.layers)


def test_the_numbers_of_the_cifar_nets():
    """Section 3.3, as their author ran them (PAPER.md)."""
    without, with_lrn = load("cifar-13"), load("cifar-11")
    nets = [(without, (100, 140, 150, 160), [0, 0, 1, 1, 1]), (with_lrn, (350, 500, 510, 520), [0, 0, 1, 1, 2.5])]
    for recipe, ends, decays in nets:
        train, data = recipe.train, recipe.data
        assert (train.batch, train.rate, train.momentum, train.decay) == (128, 0.001, 0.9, 0.004)
        (event,) = train.events
        assert (event.epoch, *train.drop_epochs, train.epochs) == ends
        assert event.set == {"data.train": "train+val"} and data.splits == ("train",)
        assert train.schedule == "epochs" and train.drop_factor == 0.1 and not train.bias_drops
        assert recipe.at_epoch(ends[0]).data.splits == ("train", "val")
        assert not data.shuffle and data.mean == "centre" and recipe.net.crop == 24
        assert recipe.augment == AugmentSpec(offsets=9, reflect=True, colour=False)
        weighted = [each for each in recipe.net.layers if isinstance(each, Weighted)]
        assert [each.std for each in weighted] == [1e-4, 0.01, 0.04, 0.04, 0.01]
        assert [each.decay_times for each in weighted] == decays
        assert all((each.bias, each.bias_rate_times, each.bias_decay_times) == (0, 2, 0) for each in weighted)
    assert not any("lrn" in each.kind for each in without.net.layers)
    for recipe, kind, n, scale in ((with_lrn, Lrn, 9, 0.001), (load("cifar-lrn"), LrnSpatial, 3, 5e-5)):
        norms = [(each.n, each.k, each.alpha, each.beta) for each in recipe.net.layers if isinstance(each, kind)]
        assert norms == [(n, 1, pytest.approx(scale / 9, rel=1e-4), 0.75)] * 2


def test_splits_change_between_epochs_and_by_plan_alone():
    plan = "train.events=[{epoch=%s,set={'data.train'='train+val'}}]"
    assert load("cifar-relu", [plan % 3]).at_epoch(3).data.splits == ("train", "val")
    with pytest.raises(Failure, match=r"'data.train' changes between epochs: give a whole one for 2\.5"):
        load("cifar-relu", [plan % 2.5])
    with pytest.raises(Failure, match=r"data.train: cannot change by hand"):
        control.check(load("cifar-relu"), {"data.train": "train+val"})


def test_what_is_subtracted():
    mean = np.arange(32 * 32 * 3, dtype=np.float32).reshape(32, 32, 3)
    assert load("cifar-relu").subtracted(mean) is mean
    assert np.array_equal(load("cifar-13").subtracted(mean), mean[4:28, 4:28])


def test_the_papers_numbers():
    """Section 5 and 4, and the differences of the authors' code (PAPER.md)."""
    paper, code = load("alexnet"), load("krizhevsky-145")
    for recipe in (paper, code):
        train = recipe.train
        assert (train.batch, train.rate, train.momentum, train.decay) == (128, 0.01, 0.9, 0.0005)
        assert recipe.dropout == 0.5 and recipe.net.columns == 2 and recipe.net.crop == 224
        weighted = {each.name: each for each in recipe.net.layers if each.kind in ("conv", "fc")}
        ones = {name for name, each in weighted.items() if each.bias == 1}
        assert ones == {"conv2", "conv4", "conv5", "fc6", "fc7"}
        assert all(each.bias in (0, 1) and each.bias_decay_times == 0 for each in weighted.values())
        noisy = {name for name, each in weighted.items() if each.std == 0.03}
        assert noisy == ({"conv3", "conv4", "conv5"} if recipe is code else set())
        assert all(each.std in (0.01, 0.03) for each in weighted.values())
        assert {each.bias_rate_times for each in weighted.values()} == ({2.0} if recipe is code else {1.0})
    assert paper.train.drops == 3 and paper.train.schedule == "plateau" and paper.train.epochs == 90
    assert code.train.drop_epochs == (23, 51, 78) and code.train.epochs == 93 and not code.train.bias_drops
    assert (paper.augment.offsets, paper.augment.share, paper.augment.divide) == (32, 1, 1)
    assert (code.augment.offsets, code.augment.share, code.augment.divide) == (33, 32, 1.1)
    assert paper.data.shuffle and not code.data.shuffle

    def norms(recipe: Recipe):
        return [(e.name, e.n, e.k, e.alpha, e.beta) for e in recipe.net.layers if "lrn" in e.kind]

    assert norms(paper) == [("norm1", 5, 2, 1e-4, 0.75), ("norm2", 5, 2, 1e-4, 0.75)]
    assert norms(code) == [("norm1", 5, 2, 2e-5, 0.75), ("norm2", 5, 2, 2e-5, 0.75), ("contrast2", 5, 1, 4e-5, 0.75)]
    order = [each.kind for each in code.net.layers]
    assert order[:4] == ["conv", "lrn", "max_pool", "relu"]
    assert [each.kind for each in paper.net.layers][:4] == ["conv", "relu", "lrn", "max_pool"]
    assert [each.kind for each in code.net.layers if each.name in ("conv5", "pool5", "relu5")] == [
        "conv",
        "max_pool",
        "relu",
    ]
