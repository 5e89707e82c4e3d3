"""Two claims in miniature, on the small net's data."""

from pathlib import Path

from alexnet.experiments.claims import Claim, parse
from alexnet.experiments.jobs import Plan
from alexnet.experiments.lab import Lab
from alexnet.experiments.sources import Sources
from alexnet.machine.hardware import Wanted

HEAD = """
section = "{section}"
systems = ["{system}"]
title = "{name}"
statement = "Said in our words."
comparable = "More of it."
"""
RELU = """
figures = ["curves", "kernels"]
[[rows]]
what = "tanh over relu"
measure = "slower"
unit = "times"
paper = 6.0
of = ["tanh", "relu"]
[quick]
data = "photographs"
size = 32
seeds = 2
[[quick.trainings]]
name = "relu"
recipe = "{recipe}"
set = ["dropout=0", "train.epochs=8", "train.checkpoint_steps=2", "train.checkpoints_kept=100"]
rates = [0.0001, 0.0004]
[[quick.trainings]]
name = "tanh"
recipe = "{recipe}"
set = ["net.relu*.kind=tanh", "dropout=0", "train.epochs=8", "train.checkpoint_steps=2", "train.checkpoints_kept=100"]
rates = [0.003]
[full]
data = "imagenet"
"""
CHAIN = """
figures = ["predictions", "neighbours"]
[[rows]]
what = "plain less tuned"
measure = "difference"
unit = "points"
paper = 1.7
of = ["plain", "tuned"]
[[rows]]
what = "all averaged"
measure = "averaged"
paper = 36.7
of = ["plain", "tuned"]
[[rows]]
what = "of what fails"
measure = "error"
of = ["broken"]
[[rows]]
what = "of data that is not there"
measure = "error"
of = ["elsewhere"]
[[rows]]
what = "columns"
measure = "specialised"
of = ["plain"]
[[rows]]
what = "alike by features"
measure = "alike"
of = ["plain"]
kind = "features"
[[rows]]
what = "alike by pixels"
measure = "alike"
of = ["plain"]
kind = "pixels"
[quick]
data = "photographs"
size = 32
[[quick.trainings]]
name = "plain"
recipe = "{recipe}"
set = ["train.epochs=2"]
seeds = 2
[[quick.trainings]]
name = "broken"
recipe = "{recipe}"
set = ["train.rate=1e30", "train.epochs=1"]
[[quick.trainings]]
name = "tuned"
recipe = "{recipe}"
set = ["train.epochs=1", "train.rate=0.001"]
init = "plain:conv*,fc6"
[[quick.trainings]]
name = "elsewhere"
recipe = "{recipe}"
data = "imagenet"
[full]
data = "imagenet"
"""


def claims(recipe: Path) -> tuple[Claim, ...]:
    """Fig. 1 and a chain of trainings, one of which fails."""
    return tuple(
        parse(name, HEAD.format(name=name, section=section, system=system) + text.replace("{recipe}", str(recipe)))
        for name, section, system, text in (("relu", "3.1", "S3", RELU), ("chain", "6", "S9", CHAIN))
    )


def lab(out: Path) -> Lab:
    """Trainings side by side, as many as there are cores."""
    return Lab(out, Wanted(device="cpu"))


def plans(out: Path, data: Path, recipe: Path) -> list[Plan]:
    """Both at the quick scale."""
    sources = Sources(out, {"photographs": data})
    return [Plan(claim, claim.quick, sources) for claim in claims(recipe)]
