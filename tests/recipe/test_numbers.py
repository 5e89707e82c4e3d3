"""The numbers that a recipe leaves out, what may change while a net trains, and that no digit is lost."""

import tomllib

import pytest

from alexnet.errors import Failure
from alexnet.recipe import load, parse
from alexnet.recipe.tables import plain

BARE = [{"fc": "fc1", "units": "classes"}, {"exchange": "cross"}, {"softmax": "loss"}]
PAPER = {  # sections 4 and 5; what the paper does not say stands in DIFFERENCES.md
    "dropout": 0.5,
    "augment": {
        **{"crop": "random", "offsets": 32, "share": 1, "reflect": True},
        **{"colour": True, "colour_std": 0.1, "colour_by": "eigenvalues", "divide": 1.0},
    },
    "train": {
        **{"batch": 128, "epochs": 90, "rate": 0.01, "momentum": 0.9, "decay": 0.0005},
        **{"schedule": "plateau", "drops": 3, "drop_factor": 0.1, "patience": 5, "drop_epochs": []},
        **{"bias_drops": True, "validate_epochs": 1, "events": []},
    },
    "fc1": {
        **{"std": 0.01, "bias": 0.0, "rate_times": 1.0, "bias_rate_times": 1.0},
        **{"decay_times": 1.0, "bias_decay_times": 0.0},
    },
}


@pytest.mark.parametrize("name", ["what is left out", "alexnet"])
def test_what_a_recipe_leaves_out_is_the_papers(name):
    """Nothing given but a net gives the paper's numbers, and so does the paper's own recipe."""
    tables = plain(load("alexnet") if name == "alexnet" else parse({"net": {"layers": BARE}}))
    assert (tables["net"]["columns"], tables["net"]["crop"]) == (2, 224) and tables["data"]["shuffle"] is True
    assert tables["dropout"] == PAPER["dropout"] and tables["augment"] == PAPER["augment"]
    assert {key: tables["train"][key] for key in PAPER["train"]} == PAPER["train"]
    layers = [each for each in tables["net"]["layers"] if "std" in each]
    for layer in layers:
        shared = {key: value for key, value in PAPER["fc1"].items() if key != "bias"}
        assert shared.items() <= layer.items() and layer["bias"] in (0.0, 1.0)
    if name != "alexnet":
        assert PAPER["fc1"].items() <= layers[0].items()


def test_an_event_changes_views_rates_dropout_and_the_splits_and_nothing_else():
    """Never a shape or an order: these would be another training."""
    tables = plain(load("alexnet"))
    keys = {f"{name}.{key}": each for name in ("augment", "data", "train") for key, each in tables[name].items()}
    for layer in tables["net"]["layers"]:
        (_, name), *rest = layer.items()
        keys |= {f"net.{name}.{key}": value for key, value in rest}
    allowed = set()
    for key, value in (keys | {"dropout": 0.5, "net.columns": 2, "net.crop": 224}).items():
        try:
            load("alexnet").with_changes({"train.events": [{"epoch": 1, "set": {key: value}}]})
            allowed.add(key)
        except Failure as failure:
            assert "cannot change" in str(failure) or "it must be" in str(failure), key
    times = {key for key in keys if key.endswith("_times")}
    rest = {"dropout", "train.rate", "train.momentum", "train.decay", "data.train"}
    assert allowed == times | rest | {key for key in keys if "augment." in key}
    assert len(times) == 4 * 8


def test_of_two_settings_that_reach_one_key_the_later_holds():
    first, again = "net.conv1.std=0.1", "net.conv1.std=0.3"
    recipe = load("alexnet", [first, "net.conv*.std=0.2", again])
    assert [each.std for each in recipe.net.layers if each.kind == "conv"] == [0.3, 0.2, 0.2, 0.2, 0.2]
    recipe = load("alexnet", ["net.conv*.std=0.2", first, "net.conv*.std=0.4"])
    assert {each.std for each in recipe.net.layers if each.kind == "conv"} == {0.4}


def test_no_digit_is_lost():
    """What a run writes of its recipe reads back equal, to the last bit."""
    changes = {"train.rate": 0.1 + 0.2, "dropout": 1 / 3, "train.decay": 1e-300, "net.conv1.std": 2**-40 * 1.1}
    recipe = load("alexnet").with_changes(changes)
    events = [{"epoch": 2 / 3, "set": {"train.rate": 1e-7 / 3, "augment.reflect": False}}]
    recipe = recipe.with_changes({"train.events": events})
    assert parse(tomllib.loads(recipe.to_toml())) == recipe
    assert recipe.train.rate == 0.1 + 0.2 and recipe.at_epoch(1).train.rate == 1e-7 / 3
