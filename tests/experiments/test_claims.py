"""The claims that come with the program: whole, in the paper's order, and such that each can be carried out."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from alexnet.errors import Failure
from alexnet.experiments.claims import chosen, claims, parse
from alexnet.experiments.jobs import Plan, distinct
from alexnet.experiments.measures import MEASURES
from alexnet.experiments.page import CAPTIONS
from alexnet.experiments.pictures import FIGURES
from alexnet.experiments.sources import KINDS
from alexnet.recipe.topology import topology

SCALES = [(claim, name) for claim in claims() for name in ("quick", "full")]


class Everything:
    """All data is there."""

    def dataset(self, kind, size):
        assert kind in KINDS
        classes = [SimpleNamespace(name=str(number)) for number in range(81 if kind == "photographs" else 10)]
        counts = {"train": 40_000, "val": 10_000, "test": 10_000}
        return SimpleNamespace(identity=f"{kind}{size}", classes=classes, counts=counts, size=size, path=kind)


def jobs(claim, name):
    plan = Plan(claim, claim.scale(name), Everything())
    for training in plan.scale.trainings:
        swept = plan.swept(training.name)
        yield from [*swept.values(), *plan.jobs(training.name, next(iter(swept), None))]


def test_every_system_of_the_paper_has_a_row():
    assert {system for claim in claims() for system in claim.systems} == {f"S{number}" for number in range(1, 16)}
    assert all(claim.rows for claim in claims())


def test_a_job_array_has_a_job_for_each():
    for place in ("scripts/slurm/reproduce.sh", "docs/cluster.md"):
        assert f" --array=0-{len(claims()) - 1} " in (Path(__file__).parents[2] / place).read_text()


def test_they_are_in_the_papers_order():
    sections = [claim.section for claim in claims()]
    assert sections == sorted(sections) and len({claim.name for claim in claims()}) == len(sections)
    results = [claim.systems[0] for claim in claims() if claim.section == "6"]
    assert results == ["S1", "S1", "S1", "S8", "S10"], "Table 1 and on CIFAR-10, Table 2 in two parts, Fall 2009"


def test_numbers_of_test_images_are_set_beside_those_of_test_images():
    """Table 2 and what is averaged for it are of ILSVRC-2012's validation images, all else is of test images."""
    assert {claim.name for claim in claims() if claim.full.comparable == "val"} == {"table-2", "table-2-pre-trained"}


@pytest.mark.parametrize(("claim", "name"), SCALES, ids=lambda each: each if isinstance(each, str) else each.name)
def test_each_training_is_a_recipe_that_fits_its_data(claim, name):
    for job in distinct(list(jobs(claim, name))).values():
        net = job.recipe.net
        topology(net, len(job.data.classes))
        assert net.crop <= job.data.size
        if job.recipe.augment.crop == "random":
            assert job.recipe.augment.offsets <= job.data.size - net.crop + 1
        assert job.recipe.train.schedule == "plateau" or all(
            each < job.recipe.train.epochs for each in job.recipe.train.drop_epochs
        )


@pytest.mark.parametrize("claim", claims(), ids=lambda claim: claim.name)
def test_each_row_can_be_measured_and_each_figure_drawn(claim):
    assert {row.measure for row in claim.rows} <= MEASURES.keys()
    assert {*claim.figures} <= FIGURES.keys() and {*claim.figures} <= CAPTIONS.keys()
    full = {training.name for training in claim.full.trainings}
    assert all({*row.of} <= full for row in claim.rows), "the full scale has every row"
    assert claim.full.comparable != "none" and claim.quick.comparable == "none"


def test_equal_trainings_of_several_claims_are_one_run():
    quick = [job for claim in claims() for job in jobs(claim, "quick")]
    whole = {job.key for job in quick if job.source == "alexnet-32" and not job.changes and job.data.path == "cifar"}
    assert len(whole) == 5, "a run a seed, whoever asks for it"
    assert len(distinct(quick)) < len(quick) - 20


def test_a_mistake_in_a_claim_is_named():
    with pytest.raises(Failure, match="claim made-up: sektion: unknown key, the nearest is 'section'"):
        parse("made-up", 'sektion = "3"')
    with pytest.raises(Failure, match="claim made-up: not valid TOML"):
        parse("made-up", "section = ")


def test_an_item_that_is_not_there_is_refused_with_the_nearest():
    with pytest.raises(Failure, match="poling: no such item, the nearest is 'pooling'"):
        chosen(["poling"], claims())
    assert [claim.name for claim in chosen(["depth", "relu"], claims())] == ["relu", "depth"]
