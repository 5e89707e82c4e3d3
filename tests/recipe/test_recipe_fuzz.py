"""Damaged recipes end in a Failure of one line, or are recipes that can be written and read again."""

import random
from importlib import resources

import pytest

from alexnet.errors import Failure
from alexnet.recipe import bundled, load
from alexnet.recipe.topology import topology

SOURCES = [(resources.files("alexnet") / "recipes" / f"{name}.toml").read_bytes() for name in bundled()]
WORDS = [
    "true",
    "nan",
    "-1",
    "1e400",
    '"x"',
    "[]",
    "{}",
    "{ a = 1 }",
    "0x10",
    "1979-05-27",
    '"""',
    "[[",
    "999999999999",
]
KEYS = [
    "dropout",
    "net.columns",
    "net.layers",
    "net.conv1.kernels",
    "net.without",
    "net.*.kind",
    "train.events",
    "*",
    "net.*",
]


def truncated(rng, data):
    return data[: rng.randrange(len(data))]


def flipped(rng, data):
    damaged = bytearray(data)
    for _ in range(rng.choice([1, 1, 3])):
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def reworded(rng, data):
    tokens = data.decode().split(" ")
    for _ in range(rng.choice([1, 1, 4])):
        tokens[rng.randrange(len(tokens))] = rng.choice([*WORDS, *tokens])
    return " ".join(tokens).encode()


def shuffled(rng, data):
    lines = data.decode().splitlines()
    a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[a], lines[b] = lines[b], lines[a]
    if rng.random() < 0.5:
        lines.insert(a, lines[b])
    return "\n".join(lines).encode()


@pytest.mark.parametrize("damage", [truncated, flipped, reworded, shuffled])
def test_damaged_files(damage, tmp_path):
    rng, kept = random.Random(damage.__name__), 0
    for case in range(200):
        path = tmp_path / f"{case}.toml"
        path.write_bytes(damage(rng, rng.choice(SOURCES)))
        kept += survives(path, tmp_path)
    assert kept < 190


def test_wild_changes(tmp_path):
    rng = random.Random(5)
    for _ in range(300):
        changes = [f"{rng.choice(KEYS)}={rng.choice([*WORDS, 'relu', 'conv1'])}" for _ in range(rng.choice([1, 2]))]
        survives("alexnet-mini", tmp_path, changes)


def survives(source, folder, changes=()):
    """Whether it was read; anything but a Failure of one line is an error."""
    try:
        recipe = load(source, changes)
    except Failure as failure:
        assert "\n" not in str(failure) and len(str(failure)) < 500
        return False
    again = folder / "again.toml"
    again.write_text(recipe.to_toml())
    assert load(again) == recipe
    try:
        topology(recipe.net, 10)
    except Failure as failure:
        assert "\n" not in str(failure)
    return True
