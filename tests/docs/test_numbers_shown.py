"""Numbers that README and docs say in running text are the program's: each phrase is made of what the code holds."""

import re
from inspect import signature

import pytest
from shown import ROOT

from alexnet import __version__
from alexnet.baselines import grid
from alexnet.cli.data import prep
from alexnet.data import decode
from alexnet.errors import STOPPED
from alexnet.experiments import curves
from alexnet.experiments.claims import claims
from alexnet.pages import web
from alexnet.recipe import bundled, load
from alexnet.recipe.topology import Topology, topology
from alexnet.retrieval import addresses, autoencoder, codes, comparison, measures, neighbours, pixels
from alexnet.runs import checkpoint
from alexnet.train.stream import BLOCK, WINDOW
from data_prep import plan

SQUARE = 256 * 256 * 3  # bytes of a prepared image
IMAGENET = 1_281_167  # training images
TOGETHER = BLOCK * WINDOW  # images among which the next one is drawn


def net(name: str) -> Topology:
    return topology(load(name).net, 1000)


def multiply_adds(name: str) -> str:
    """Millions of the convolutions' and of all FC layers', as docs/performance.md says them."""
    layers = {each.layer.name: each.multiply_adds / 1e6 for each in net(name).layers if each.weight}
    convolutions = ", ".join(f"{each} {millions:.0f}" for each, millions in layers.items() if each.startswith("conv"))
    return f"{convolutions}, the FC layers {sum(layers[each] for each in layers if each.startswith('fc')):.0f}"


def direct(name: str) -> int:
    """Operations of a training step of 128 images: each layer three times, the lowest twice."""
    counts = [each.multiply_adds for each in net(name).layers]
    return 2 * 128 * (3 * sum(counts) - counts[0])


def term_seconds() -> str:
    return re.search(r"--signal=TERM@(\d+)", (ROOT / "scripts/slurm/train.sh").read_text())[1]


def measured_every() -> str:
    """After how many steps the nets of Fig. 1 are measured."""
    (claim,) = (ROOT / "py/alexnet/experiments/claims").glob("*-relu.toml")
    (steps,) = set(re.findall(r"checkpoint_steps=(\d+)", claim.read_text()))
    return steps


SAID = {
    "README.md": lambda: [
        f"the {net('alexnet').parameters:,} parameters",
        f"(1, {net('alexnet-mini')['relu7'].output.maps}) float32; {net('alexnet')['relu7'].output.maps} in the full",
        f"; {STOPPED} stopped by a signal",
        f"up to {decode.PIXEL_LIMIT >> 20} Mi pixels ({decode.PIXEL_LIMIT:,}) | the square",
        f"a file with a suffix other than {' '.join(decode.SUFFIXES)}, hidden",
    ],
    "DIFFERENCES.md": lambda: [
        f"sets of more than {TOGETHER:,} images are shuffled by blocks",
        "after epochs {}, {} and {} |".format(*map(round, load("krizhevsky-145").train.drop_epochs)),
        f"stopped at {load('krizhevsky-145').train.epochs} |",
    ],
    "docs/data.md": lambda: [
        f"at most {plan.SHARD_BYTES // SQUARE} images of 256x256 each, at least {plan.SHARDS_OF_A_SPLIT} files",
        f"for a split of more than {plan.SHARDS_OF_A_SPLIT * plan.FEWEST_IN_A_SHARD} images",
        f"An image takes {SQUARE >> 10} KiB at 256x256: 1.3 million images are {IMAGENET * SQUARE / 1e9:.0f} GB",
        f"one shard per worker ({plan.SHARD_BYTES >> 20} MiB at 256x256)",
        f"in blocks of {BLOCK} adjacent images",
        f"within each window of {WINDOW} blocks ({TOGETHER:,} images)",
        f"A set of no more than {TOGETHER:,} images",
        f"block by block ({BLOCK * SQUARE >> 20} MiB of 256x256 in one run)",
        f"it should have room for two windows, {2 * TOGETHER * SQUARE / 1e9:.1f} GB",
        f"of more than {decode.PIXEL_LIMIT >> 20} Mi pixels, by its header",
        f"unzipped, at most {decode.UNZIPPED_LIMIT >> 20} MiB",
        f"for 256, from a shorter side of {2 * decode.MARGIN * 256}.",
    ],
    "docs/performance.md": lambda: [
        f"in millions: {multiply_adds('alexnet')};",
        f"a training step of 128 images is {direct('alexnet') / 1e9:.0f} GFLOP",
        f"| direct | {direct('alexnet') / 2e9:.1f} G |",
    ],
    "docs/retrieval.md": lambda: [
        f"a block of the file and {neighbours.TOGETHER:,} queries at a time",
        ", ".join(f"R@{depth}" for depth in measures.RECALLED),
        ", ".join(f"P@{depth}" for depth in measures.PRECISE),
        f"Queries are at most {comparison.ASKED:,} images",
        f"learnt from {comparison.LEARNT:,} rows at most",
        f"(median of {comparison.TIMED};",
        f"Codes of at most {addresses.LONGEST} bits are addresses too",
        f"in batches of {autoencoder.Training(1).batch}, all rows once or about {codes.SEEN:,} in all",
        f"at {pixels.SIDE}x{pixels.SIDE}, as files of features",
    ],
    "docs/baselines.md": lambda: [f"Images of less than {grid.LEAST} pixels"],
    "docs/runs.md": lambda: [
        f"after a first block of {checkpoint.USER_BLOCK} bytes",
        f"one picture after the other, while {web.WAITING - 1} wait",
        f"of at most {web.LARGEST >> 20} MiB and {decode.PIXEL_LIMIT >> 20} Mi pixels",
    ],
    "docs/cluster.md": lambda: [
        f"sbatch --array=0-{len(claims()) - 1} scripts/slurm/reproduce.sh",
        f"(`--signal=TERM@{term_seconds()}` in the script",
    ],
    "docs/paper.md": lambda: [
        f"paper's topology for images of 32 x 32, for {load('alexnet-32').train.epochs} epochs",
        f"on the same {curves.IMAGES:,} training images at every {measured_every()}nd step",
        f"where the error passes {100 * curves.TARGET:g} %",
    ],
}


@pytest.mark.parametrize("page", SAID)
def test_a_number_in_the_text_is_the_program_s(page):
    text = " ".join((ROOT / page).read_text().split())
    assert [phrase for phrase in SAID[page]() if phrase not in text] == []


def test_the_share_of_unreadable_images_that_is_accepted_is_said_twice():
    share = signature(prep).parameters["max_skipped"].default
    assert f"If more than {100 * share:g} % are skipped" in " ".join((ROOT / "README.md").read_text().split())
    assert f"`--max-skipped` ({share})" in (ROOT / "docs/data.md").read_text()


def test_the_readme_has_every_recipe_and_no_other():
    section = (ROOT / "README.md").read_text().partition("## The recipes")[2].partition("\n![")[0]
    named = [name for row in re.findall(r"^\| (`.*?`) \|", section, re.M) for name in re.findall(r"`([\w-]+)`", row)]
    assert sorted(named) == sorted(bundled())


def test_the_changes_and_the_citation_are_of_this_version():
    assert re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.M)[1] == __version__
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text()
