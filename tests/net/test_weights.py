"""Weights as safetensors: back bit for bit, readable by others, damage named."""

import random
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from alexnet.errors import Failure
from alexnet.net.weights import fitting, load_safetensors, save_safetensors
from alexnet.recipe.spec import Conv, Exchange, Fc, NetSpec, Softmax
from alexnet.recipe.topology import topology

NET = topology(
    NetSpec(
        columns=2,
        crop=8,
        layers=(
            Conv(name="conv1", kernels=4, size=3),
            Exchange(name="cross"),
            Fc(name="fc2", units="classes"),
            Exchange(name="last"),
            Softmax(name="loss"),
        ),
    ),
    5,
)


@pytest.fixture
def weights():
    rng = np.random.default_rng(1)
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in NET.weights().items()}


@pytest.fixture
def saved(weights, tmp_path):
    path = tmp_path / "w.safetensors"
    save_safetensors(path, weights)
    return path


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def failure(call, *arguments):
    with pytest.raises(Failure) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_round_trip(weights, saved):
    assert same(load_safetensors(saved), weights)
    assert same(load_file(saved), weights)
    assert [each.name for each in saved.parent.iterdir()] == ["w.safetensors"]


def test_views_are_written_in_the_plain_order(weights, tmp_path):
    turned = np.ascontiguousarray(weights["conv1.weight"].T).T
    save_safetensors(tmp_path / "v.safetensors", weights | {"conv1.weight": turned})
    assert same(load_safetensors(tmp_path / "v.safetensors"), weights)


def test_a_file_of_another_program(weights, tmp_path):
    save_file(weights, tmp_path / "o.safetensors")
    assert same(load_safetensors(tmp_path / "o.safetensors"), weights)
    save_file({"conv1.weight": weights["conv1.weight"].astype(np.float16)}, tmp_path / "h.safetensors")
    assert "float32" in failure(load_safetensors, tmp_path / "h.safetensors")


def test_not_finite(weights, tmp_path):
    weights["fc2.bias"][3] = np.inf
    assert "fc2.bias" in failure(save_safetensors, tmp_path / "w.safetensors", weights)
    assert not any(tmp_path.iterdir())
    save_file(weights, tmp_path / "i.safetensors")
    line = failure(load_safetensors, tmp_path / "i.safetensors")
    assert "fc2.bias" in line and "i.safetensors" in line


def test_no_file_and_no_room(weights, tmp_path):
    assert "absent" in failure(load_safetensors, tmp_path / "absent.safetensors")
    assert "cannot write" in failure(save_safetensors, tmp_path / "no" / "w.safetensors", weights)
    (tmp_path / "text.safetensors").write_text("hello")
    assert "text.safetensors" in failure(load_safetensors, tmp_path / "text.safetensors")


def test_a_failed_write_leaves_the_old_file(weights, saved, monkeypatch):
    def half(path, data):
        path.open("wb").write(data[: len(data) // 2])
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_bytes", half)
    assert "no space" in failure(save_safetensors, saved, {"conv1.weight": weights["conv1.weight"] * 2})
    monkeypatch.undo()
    assert same(load_safetensors(saved), weights)
    assert [each.name for each in saved.parent.iterdir()] == ["w.safetensors"]


@pytest.mark.parametrize(
    "change",
    [
        lambda w: {"conv1.weight": w["conv1.weight"].reshape(4, 3, 9, 1)},
        lambda w: {"conv1.bias": w["fc2.bias"], "fc2.bias": w["conv1.bias"]},
        lambda w: {"fc2.bias": np.nextafter(w["fc2.bias"], np.float32(9))},
    ],
)
def test_the_checksum_covers_names_shapes_and_values(change, weights, saved):
    with safe_open(saved, framework="numpy") as file:
        about = file.metadata()
    save_file(weights | change(weights), saved, about)
    assert "damaged" in failure(load_safetensors, saved)


def test_a_file_of_an_earlier_version_is_checked_too(weights, saved):
    with safe_open(saved, framework="numpy") as file:
        (checksum,) = file.metadata().values()
    about = {"format": "alexnet", "crc32": checksum}
    save_file(weights, saved, about)
    assert same(load_safetensors(saved), weights)
    save_file(weights | {"fc2.bias": np.nextafter(weights["fc2.bias"], np.float32(9))}, saved, about)
    assert "damaged" in failure(load_safetensors, saved)


def test_the_same_weights_are_the_same_file(weights, saved):
    first = saved.read_bytes()
    for _ in range(12):
        save_safetensors(saved, weights)
        assert saved.read_bytes() == first


def test_damage(weights, saved, tmp_path):
    """400 files cut short or with bits turned: an error of one line, or the very same weights."""
    rng, data, path = random.Random(3), saved.read_bytes(), tmp_path / "d.safetensors"
    refused = 0
    for case in range(400):
        damaged = bytearray(data if case % 3 else data[: rng.randrange(len(data))])
        header = 8 + int.from_bytes(data[:8], "little")
        for _ in range(case % 3):
            at = rng.randrange(header if case % 2 else len(data))
            damaged[at] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        try:
            assert same(fitting(load_safetensors(path), NET), weights)
        except Failure as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused > 350


def test_fitting(weights):
    assert list(fitting(dict(reversed(weights.items())), NET)) == list(NET.weights())
    assert "conv9.weight" in failure(fitting, weights | {"conv9.weight": weights["conv1.weight"]}, NET)
    less = {name: values for name, values in weights.items() if name != "fc2.bias"}
    assert "fc2.bias is missing" in failure(fitting, less, NET)
    wrong = weights | {"fc2.bias": np.zeros(6, np.float32)}
    line = failure(fitting, wrong, NET)
    assert "fc2.bias" in line and "(6,)" in line and "(5,)" in line


def test_fitting_some_layers(weights):
    other = weights | {"fc2.bias": np.zeros(6, np.float32), "conv9.weight": np.zeros(1, np.float32)}
    assert list(fitting(other, NET, ["conv*"])) == ["conv1.weight", "conv1.bias"]
    assert list(fitting(other, NET, [])) == []
    assert "fc2.bias" in failure(fitting, other, NET, ["conv1", "fc*"])
    line = failure(fitting, other, NET, ["conv2"])
    assert "conv2" in line and "conv1" in line
