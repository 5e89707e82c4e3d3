"""The numbers of the recipes and those that one leaves out, what may change while a net trains, no digit lost."""

import tomllib

import pytest

from alexnet.errors import Failure
from alexnet.recipe import Recipe, load, parse
from alexnet.recipe.spec import AugmentSpec, Lrn, LrnSpatial, Weighted
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


def test_the_papers_numbers():
    """Section 5 and 4, and the differences of the authors' code (DIFFERENCES.md)."""
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


def test_the_numbers_of_the_cifar_nets():
    """Section 3.3, as their author ran them."""
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
