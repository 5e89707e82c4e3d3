"""What trainings would take: each net is timed once, and what is done is taken off."""

import json
from dataclasses import replace

import miniature
import pytest

from alexnet.errors import Failure
from alexnet.experiments import survey
from alexnet.experiments.claims import Training
from alexnet.experiments.jobs import distinct
from alexnet.experiments.lab import Lab
from alexnet.experiments.survey import Left, costs
from alexnet.machine import hardware
from alexnet.machine.hardware import Wanted, side_by_side

BUILT = ("plain", "broken", "tuned")
SPEED = {"images_per_s": 0.5, "ten_crop_images_per_s": 0.1}


@pytest.fixture
def timed(monkeypatch):
    """Nets are as fast as SPEED says, and those that are timed are counted."""
    asked = []
    monkeypatch.setattr(survey, "answer", lambda *arguments: asked.append(arguments) or SPEED)
    return asked


@pytest.fixture
def done(monkeypatch):
    """The keys of the jobs that are done."""
    keys = set()
    monkeypatch.setattr(Lab, "finished", lambda lab, job: job.key in keys)
    return keys


@pytest.fixture
def plans(workshop, tmp_path):
    return miniature.plans(tmp_path, workshop.data, workshop.recipe)


def one_place(tmp_path):
    return Lab(tmp_path, Wanted(device="cpu", procs=1))


def test_what_is_still_to_do_is_estimated(plans, tmp_path):
    lab = miniature.lab(tmp_path)
    (cost,) = costs(lab, plans[1:])
    assert cost.runs == 4 and "--imagenet" in cost.missing[0]
    (speed,) = (json.loads(path.read_text()) for path in (tmp_path / "speeds").glob("*.json"))
    images = sum(job.images for job in distinct([job for name in BUILT for job in plans[1].jobs(name)]).values())
    tests = 4 * 9 / speed["ten_crop_images_per_s"]
    at_once = len(side_by_side(lab.wanted, 4))
    assert cost.seconds == pytest.approx((images / speed["images_per_s"] + tests) / at_once)
    assert Left(lab, plans[1:])(set()) == f", about {cost.seconds / 60:.0f} min of training left"
    assert not lab.runs.exists()


def one(plan, name, *, timed=False):
    """The plan as an item of one of its trainings with one seed, whose times are taken or not."""
    training = replace(plan.training(name), seeds=1, init="")
    return replace(plan, claim=replace(plan.claim, timed=timed), scale=replace(plan.scale, trainings=(training,)))


def test_a_net_is_timed_at_the_place_that_it_will_have(plans, tmp_path, timed, monkeypatch):
    """Beside the next item's, a single training of an item has one of two cores, and takes half the time of both."""
    monkeypatch.setattr(hardware, "cores", lambda: 2)
    lab, chain = miniature.lab(tmp_path), plans[1]
    beside = costs(lab, [one(chain, "plain"), one(chain, "tuned")])
    alone = costs(lab, [one(chain, "plain", timed=True), one(chain, "tuned")])
    assert [asked[-2:] for asked in timed] == [("--threads", "1"), ("--threads", "2")]
    assert [each.seconds for each in alone] == pytest.approx([2 * each.seconds for each in beside])


def test_a_net_is_timed_anew_where_a_change_alters_its_speed(plans, tmp_path, timed):
    def cost(*changes):
        training = Training(name="one", recipe=plans[1].scale.trainings[0].recipe, set=changes)
        scale = replace(plans[1].scale, trainings=(training,))
        costs(one_place(tmp_path), [replace(plans[1], scale=scale)])
        return len(timed)

    assert cost() == 1
    assert cost("train.batch=10") == 2
    assert cost("engine.convolution=direct") == 3
    assert cost("net.conv1.kernels=6") == 4
    assert cost("train.rate=0.1", "train.epochs=1", "train.batch=20") == 4


def test_what_was_done_at_the_fastest_rate_is_not_to_be_done_at_the_first(plans, tmp_path, timed, done):
    slow, fast = plans[0].training("relu").rates
    seeds = [*plans[0].swept("relu").values(), plans[0].jobs("relu", fast)[1]]
    assert costs(one_place(tmp_path), plans[:1])[0].runs == 5
    done |= {job.key for job in [*seeds, *plans[0].jobs("tanh", 0.003)]}
    assert plans[0].jobs("relu", slow)[1].key not in done
    assert costs(one_place(tmp_path), plans[:1])[0].runs == 0


def test_what_is_left_is_estimated_once_and_grows_less(plans, tmp_path, timed, done, monkeypatch):
    left = Left(one_place(tmp_path), plans)
    jobs = [*plans[0].swept("relu").values(), *plans[0].jobs("tanh", 0.003), plans[0].jobs("relu", 0.0004)[1]]
    jobs += distinct([job for name in BUILT for job in plans[1].jobs(name)]).values()
    seconds = [job.images / SPEED["images_per_s"] + 9 / SPEED["ten_crop_images_per_s"] for job in jobs]
    assert left(set()) == f", about {sum(seconds) / 60:.0f} min of training left"
    monkeypatch.setattr(survey, "side_by_side", None)  # nothing is planned again
    done |= {job.key for job in jobs[:6]}
    assert left({job.key for job in jobs[:6]}) == f", about {sum(seconds[6:]) / 60:.0f} min of training left"
    assert len(timed) == 2, "with ReLU, with tanh"


def test_nothing_is_left_of_what_failed_nor_of_what_waited_for_it(plans, tmp_path, timed, done):
    """Where a net's rate fails, its other seed is never begun."""
    left = Left(one_place(tmp_path), plans[:1])
    slow, fast = plans[0].swept("relu").values()
    (tanh,) = plans[0].swept("tanh").values()
    done.add(slow.key)
    a_net = (slow.images / SPEED["images_per_s"] + 9 / SPEED["ten_crop_images_per_s"]) / 60
    assert left({slow.key}) == f", about {4 * a_net:.0f} min of training left"
    assert left({slow.key, tanh.key}) == f", about {2 * a_net:.0f} min of training left"
    assert left({slow.key, tanh.key, fast.key}) == ""


def test_where_a_net_cannot_be_timed_nothing_is_said(plans, tmp_path, monkeypatch):
    asked = []

    def refuse(*arguments):
        asked.append(arguments)
        raise Failure("not enough memory")

    monkeypatch.setattr(survey, "answer", refuse)
    left = Left(one_place(tmp_path), plans)
    assert left(set()) == left(set()) == "" and len(asked) == 1
    with pytest.raises(Failure, match=r"relu, rate 0\.0001, seed 0: not enough memory"):
        costs(one_place(tmp_path), plans)
