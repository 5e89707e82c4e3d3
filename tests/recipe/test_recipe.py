"""Recipes: every key reachable, what is written loads back equal."""

import dataclasses
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from alexnet.errors import Failure
from alexnet.recipe import bundled, header, load, parse
from alexnet.recipe.spec import (
    KINDS,
    AveragePool,
    Conv,
    Exchange,
    Softmax,
    Tanh,
)
from alexnet.runs import control


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
