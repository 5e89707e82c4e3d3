"""Shapes, against the numbers printed in the paper and small nets worked out by hand."""

import pytest

from alexnet.errors import Failure
from alexnet.recipe import load
from alexnet.recipe.spec import AveragePool, Conv, Exchange, Fc, Local, Lrn, MaxPool, NetSpec, Relu, Softmax
from alexnet.recipe.table import CROSSING, drawing, plain
from alexnet.recipe.topology import Topology, owned, topology

LOSS = (Fc(name="out", units="classes"), Exchange(name="cross"), Softmax(name="loss"))


def laid(*layers, columns=2, crop=8, classes=10) -> Topology:
    return topology(NetSpec(columns=columns, crop=crop, layers=layers), classes)


@pytest.mark.parametrize(
    ("layers", "name"),
    [
        (load("alexnet").net.layers, "relu7"),  # the 4,096 values of section 6.1
        (load("cifar-13").net.layers, "act4"),
        ((Conv(name="c", kernels=8, size=3), Relu(name="r"), Fc(name="f", units=4), *LOSS), "r"),
        ((Conv(name="c", kernels=8, size=3), *LOSS), "c"),
        ((Relu(name="r"), Softmax(name="loss")), "r"),
    ],
)
def test_the_layer_whose_values_describe_an_image(layers, name):
    assert NetSpec(layers=layers).last_hidden == name


@pytest.mark.parametrize("name", ["alexnet", "krizhevsky-145"])
def test_the_papers_net(name):
    """Sections 3.5 and 4; Fig. 2. Its caption's 253,440 for conv1 fits no map size; 55 x 55 x 96 is 290,400."""
    net = topology(load(name).net, 1000)
    assert net.parameters == 60_965_224
    assert net.image.size == 150_528
    sizes = {layer: net[layer].output.size for layer in ("conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")}
    assert list(sizes.values()) == [186_624, 64_896, 64_896, 43_264, 4096, 4096, 1000]
    assert net["conv1"].output == (96, 55, 55)
    assert net["pool1"].output == (96, 27, 27)
    assert net["conv2"].output == (256, 27, 27)
    assert net["pool2"].output == (256, 13, 13)
    assert net["pool5"].output == (256, 6, 6)
    assert net.weights() == {
        "conv1.weight": (96, 3, 11, 11),
        "conv1.bias": (96,),
        "conv2.weight": (256, 48, 5, 5),
        "conv2.bias": (256,),
        "conv3.weight": (384, 256, 3, 3),
        "conv3.bias": (384,),
        "conv4.weight": (384, 192, 3, 3),
        "conv4.bias": (384,),
        "conv5.weight": (256, 192, 3, 3),
        "conv5.bias": (256,),
        "fc6.weight": (4096, 9216),
        "fc6.bias": (4096,),
        "fc7.weight": (4096, 4096),
        "fc7.bias": (4096,),
        "fc8.weight": (1000, 4096),
        "fc8.bias": (1000,),
    }
    groups = {each.layer.name: each.groups for each in net.layers if each.weight}
    assert groups == {"conv1": 1, "conv2": 2, "conv3": 1, "conv4": 2, "conv5": 2, "fc6": 1, "fc7": 1, "fc8": 1}
    assert all(net[layer].groups == 2 for layer in ("norm1", "norm2"))
    assert net["conv1"].multiply_adds == 55 * 55 * 96 * 363
    assert net["fc6"].fan_in == 9216


def test_other_recipes():
    one = topology(load("alexnet-one-column").net, 1000)
    assert one.weights()["conv2.weight"] == (128, 48, 5, 5) and one.weights()["conv5.weight"] == (256, 192, 3, 3)
    sixth = topology(load("krizhevsky-146").net, 10_184)
    assert sixth.weights()["conv6.weight"] == (256, 256, 3, 3) and sixth["fc6"].fan_in == 9216
    mini = topology(load("alexnet-mini").net, 10)
    assert [mini[f"conv{i}"].weight[0] for i in range(1, 6)] == [24, 64, 96, 96, 64]
    for name in ("cifar-relu", "cifar-lrn"):
        net = topology(load(name).net, 10)
        assert [net[layer].output for layer in ("pool1", "pool2", "pool3")] == [(32, 16, 16), (32, 8, 8), (64, 4, 4)]
        # 32*75+32, 32*800+32, 64*800+64, 10*1024+10
        assert net.parameters == 2432 + 25_632 + 51_264 + 10_250


@pytest.mark.parametrize(("name", "parameters"), [("cifar-13", 1_116_490), ("cifar-11", 2_112_970)])
def test_the_locally_connected_nets(name, parameters):
    """The authors' "13 %" and "11 %" nets: banks for 6 x 6 places."""
    net = topology(load(name).net, 10)
    assert net.parameters == parameters
    maps = net["local3"].output.maps
    assert net["pool2"].output == (64, 6, 6) and net["local4"].output == (32, 6, 6)
    assert net.weights()["local3.weight"] == (maps, 6, 6, 64, 3, 3) and net.weights()["local3.bias"] == (maps, 6, 6)


@pytest.mark.parametrize("removed", ["conv2,relu2", "conv4,relu4", "conv3,relu3,cross3", "fc7,relu7,drop7,cross8"])
def test_a_middle_layer_left_out(removed):
    """S11."""
    net = topology(load("alexnet", [f"net.without={removed}"]).net, 1000)
    assert net.layers[-1].output.maps == 1000


def test_each_place_has_kernels_of_its_own():
    """As a convolution of the same sizes in all but its parameters: 3 x 3 places, each with a bank and biases."""
    conv = Conv(name="c", kernels=4, size=3)
    sizes = {"name": "l", "kernels": 6, "size": 3, "stride": 2, "pad": 1}
    shared, own = (laid(conv, kind(**sizes), *LOSS)["l"] for kind in (Conv, Local))
    assert (own.output, own.multiply_adds, own.fan_in) == (shared.output, shared.multiply_adds, shared.fan_in)
    assert own.output == (6, 3, 3) and own.fan_in == 2 * 3 * 3 and own.multiply_adds == 6 * 9 * 18
    assert own.weight == (6, 3, 3, 2, 3, 3) and own.bias == (6, 3, 3) and shared.bias == (6,)
    assert own.parameters == 6 * 9 * 18 + 6 * 9
    assert own.output_split and own.groups == 2


def test_a_linear_layer_whose_columns_stay_apart():
    """S9: 2048 values, 1024 a column, then outputs that each read their own column's."""
    net = laid(
        Conv(name="c", kernels=4, size=3),
        Exchange(name="x"),
        Fc(name="linear", units=2048),
        *LOSS,
        classes=21_843,
    )
    assert net["out"].weight == (21_843, 1024) and net["out"].groups == 2 and net["out"].fan_in == 1024
    assert len(owned(21_843, 2, 0)) == 10_921 and owned(21_843, 2, 1) == range(10_921, 21_843)


@pytest.mark.parametrize(
    ("side", "size", "stride", "pad", "edge", "out"),
    [
        (224, 11, 4, 0, "ceil", 55),
        (224, 11, 4, 0, "floor", 54),
        (227, 11, 4, 0, "ceil", 55),
        (5, 5, 1, 2, "floor", 5),
        (7, 3, 2, 1, "floor", 4),
        (8, 3, 2, 1, "ceil", 5),
        (4, 1, 5, 0, "ceil", 1),
        (8, 2, 7, 0, "ceil", 2),
    ],
)
def test_convolution_sizes(side, size, stride, pad, edge, out):
    conv = Conv(name="c", kernels=2, size=size, stride=stride, pad=pad, edge=edge)
    assert laid(conv, *LOSS, crop=side)["c"].output == (2, out, out)


@pytest.mark.parametrize(
    ("side", "size", "stride", "edge", "out"),
    [
        (55, 3, 2, "ceil", 27),
        (32, 3, 2, "ceil", 16),
        (32, 3, 2, "floor", 15),
        (3, 3, 2, "ceil", 1),
        (5, 2, 3, "ceil", 2),
        (4, 2, 5, "ceil", 1),
        (7, 2, 2, "ceil", 4),
        (7, 2, 2, "floor", 3),
        (1, 1, 1, "ceil", 1),
    ],
)
def test_pooling_sizes(side, size, stride, edge, out):
    """By counting the windows: they begin every `stride`, inside the map, until one reaches the edge."""
    for kind in (MaxPool, AveragePool):
        pool = kind(name="p", size=size, stride=stride, edge=edge)
        conv = Conv(name="c", kernels=2, size=1)
        assert laid(conv, pool, *LOSS, crop=side)["p"].output == (2, out, out)


def test_columns_and_crossings():
    conv = Conv(name="c", kernels=6, size=3)
    net = laid(conv, Exchange(name="x"), Conv(name="d", kernels=6, size=3), Relu(name="r"), *LOSS)
    assert [(each.input_split, each.output_split) for each in net.layers[:4]] == [
        (False, True),
        (True, False),
        (False, True),
        (True, True),
    ]
    assert net["d"].weight == (6, 6, 3, 3)
    assert laid(conv, Conv(name="d", kernels=6, size=3), *LOSS, columns=3)["d"].weight == (6, 2, 3, 3)
    assert laid(conv, Conv(name="d", kernels=6, size=3), *LOSS, columns=1)["d"].weight == (6, 6, 3, 3)


@pytest.mark.parametrize("units", [10, 11, 81, 1000])
@pytest.mark.parametrize("columns", [1, 2, 3, 4])
def test_owned_rows_cover_all_once(units, columns):
    parts = [owned(units, columns, column) for column in range(columns)]
    assert [row for part in parts for row in part] == list(range(units))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize(
    ("layers", "parts"),
    [
        ((), ["softmax"]),
        ((Relu(name="r"),), ["softmax"]),
        ((Softmax(name="s"), Relu(name="r"), *LOSS), ["'s'", "fc"]),
        ((Conv(name="c", kernels=4, size=9), *LOSS), ["'c'", "window of 9", "3x8x8", "net.crop"]),
        ((Conv(name="c", kernels=4, size=3), MaxPool(name="p", size=7, stride=2), *LOSS), ["max_pool 'p'", "4x6x6"]),
        ((Conv(name="c", kernels=5, size=3), *LOSS), ["'c'", "5 kernels", "use 6"]),
        ((Conv(name="c", kernels=4, size=3, pad=3), *LOSS), ["'c'", "pad 3"]),
        ((Local(name="l", kernels=5, size=3), *LOSS), ["local 'l'", "5 kernels", "use 6"]),
        ((Local(name="l", kernels=4, size=3, pad=3), *LOSS), ["local 'l'", "pad 3"]),
        ((Local(name="l", kernels=4, size=9), *LOSS), ["local 'l'", "window of 9"]),
        ((Fc(name="f", units=1), *LOSS), ["'f'", "1 units"]),
        ((Fc(name="f", units=3), Lrn(name="n", n=3, k=1, alpha=1, beta=1), *LOSS), ["lrn 'n'", "3 maps", "exchange"]),
        ((Fc(name="f", units=3), Fc(name="g", units=4), *LOSS), ["fc 'g'", "exchange"]),
        ((Exchange(name="x"), *LOSS), ["'x'", "leave it out"]),
        ((Fc(name="f", units=10), Softmax(name="s")), ["'s'", "exchange"]),
        ((Fc(name="f", units=9), Exchange(name="x"), Softmax(name="s")), ["'s'", "9x1x1", "10 classes"]),
    ],
)  # fmt: skip
def test_nets_that_cannot_be(layers, parts):
    with pytest.raises(Failure) as caught:
        laid(*layers)
    assert all(part in str(caught.value) for part in parts), str(caught.value)


def test_the_table_shows_shapes_columns_and_crossings():
    text = plain(drawing(topology(load("alexnet").net, 1000), "alexnet"))
    rows = {line.split()[0]: line for line in text.splitlines() if line.split()}
    assert "60,965,224" in rows["whole"] and "724.4 M" in rows["whole"]
    assert all(part in rows["conv1"] for part in ("96x55x55", "48 │ 48", "96x3x11x11", "34,944"))
    assert "500 │ 500" in rows["fc8"]
    assert [name for name, line in rows.items() if CROSSING in line] == [
        "cross3",
        "cross6",
        "cross7",
        "cross8",
        "cross9",
    ]
    assert "\x1b" not in text and max(map(len, text.splitlines())) <= 112
    narrow = plain(drawing(topology(load("alexnet").net, 1000), "alexnet"), 80)
    assert "37,752,832" in narrow and "384x256x3x3" in narrow and max(map(len, narrow.splitlines())) <= 80
    assert "40 │ 41" in plain(drawing(topology(load("alexnet").net, 81), "grocery"))
    assert CROSSING not in plain(drawing(topology(load("alexnet", ["net.columns=1"]).net, 10), "one"))
