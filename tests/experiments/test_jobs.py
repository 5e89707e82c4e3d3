"""A run is known by all that its numbers hang on, and by nothing else."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from alexnet.experiments.jobs import Job, distinct
from alexnet.recipe import load


def data(identity: str = "of one kind"):
    return SimpleNamespace(identity=identity, path="anywhere", counts={"train": 100})


@pytest.fixture
def job() -> Job:
    changes = ("train.epochs=3",)
    return Job("plain, seed 0", "cifar-relu", changes, load("cifar-relu", changes), data(), 0)


def test_each_part_is_in_the_key(job):
    longer = job.recipe.with_changes({"train.epochs": 4})
    first = replace(job, seed=7)
    others = [
        replace(job, recipe=longer),
        replace(job, data=data("of another")),
        first,
        replace(job, after=first, layers="conv*"),
        replace(job, after=first, layers="conv*,fc10"),
        replace(job, after=replace(first, recipe=longer), layers="conv*"),
    ]
    assert len({job.key, *(each.key for each in others)}) == 7


def test_what_changes_no_number_is_not_in_the_key(job):
    moved = SimpleNamespace(**vars(job.data) | {"path": "elsewhere"})
    same = replace(job, name="of another claim", changes=("train.epochs = 3",), data=moved)
    assert same.key == job.key and len(distinct([job, same])) == 1


def test_a_job_comes_after_what_it_begins_with(job):
    tuned = replace(job, seed=1, after=job, layers="conv*")
    assert list(distinct([tuned, job])) == [job.key, tuned.key]


def test_its_command_says_all_that_was_changed(job, tmp_path):
    tuned = replace(job, seed=1, after=job, layers="conv*")
    command = " ".join(tuned.arguments(tmp_path))
    assert command.startswith("train anywhere --recipe cifar-relu --set train.epochs=3 --init ")
    assert command.endswith(f"{job.key}:conv* --seed 1 --out {tmp_path / tuned.key} --resume")
