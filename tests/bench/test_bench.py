"""`alexctl bench`: its contract, and its arithmetic on times that are known."""

import json
from dataclasses import replace

import numpy as np
import pytest

from alexnet.bench import steps as bench
from alexnet.bench.report import Report
from alexnet.bench.stopwatch import Stopwatch
from alexnet.engines.cpu import CpuEngine
from alexnet.links.solo import SoloLink
from alexnet.net.layers import Pass
from alexnet.recipe import load
from alexnet.recipe.topology import topology

KEYS = [
    "device",
    "procs",
    "threads",
    "batch",
    "step_s",
    "images_per_s",
    "forward_images_per_s",
    "ten_crop_images_per_s",
    "one_image_s",
    "peak_rss_mb",
    "layers",
]
LAYERS = "conv1 relu1 norm1 pool1 conv2 relu2 cross3 conv3 relu3 cross6 fc6 relu6 drop6 cross7 fc8 cross9 loss"
WORK = {  # multiply-adds of one image: kernels x fan-in x positions
    "conv1": 8 * 3 * 5**2 * 11**2,
    "conv2": 12 * 4 * 3**2 * 5**2,
    "conv3": 8 * 12 * 3**2 * 5**2,
    "fc6": 32 * 8 * 5**2,
    "fc8": 3 * 32,
}
BATCH = 8


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_the_contract(workshop, processes):
    options = {"--procs": processes, "--threads": 1, "--batch": BATCH, "--classes": 3, "--repeat": 2}
    arguments = [each for pair in options.items() for each in pair]
    done = workshop.alexctl("bench", "--recipe", workshop.recipe, *arguments, "--json")
    found = json.loads(done.stdout.splitlines()[-1])
    assert list(found) == KEYS
    assert (found["device"], found["procs"], found["threads"], found["batch"]) == ("cpu", processes, 1, BATCH)
    assert found["images_per_s"] == pytest.approx(BATCH / found["step_s"])
    assert 50 * processes < found["peak_rss_mb"] < 1000 * processes  # of all: one alone has about 70 to 90
    assert found["forward_images_per_s"] > 0 and found["ten_crop_images_per_s"] > 0 and found["one_image_s"] > 0
    names = [name for name in LAYERS.split() if processes > 1 or not name.startswith("cross")]
    assert [each["name"] for each in found["layers"]] == names
    for each in found["layers"]:
        assert list(each) == ["name", "forward_s", "backward_s", "gflops", "gflops_done"]
        assert each["forward_s"] > 0 and each["backward_s"] > 0, each
        products = (2 if each["name"] == "conv1" else 3) * 2 * BATCH * WORK.get(each["name"], 0)
        assert each["gflops"] == pytest.approx(products / (each["forward_s"] + each["backward_s"]) / 1e9)
    for shown in (*names, "gradient sums", "update", "step"):
        assert f"\n {shown} " in done.stdout, shown
    assert "\x1b" not in done.stdout and done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--procs", 3], "3 processes cannot share a net of 2 columns"),
        (["--procs", 4, "--batch", 1], "--batch 1: too small for 2 replicas"),
        (["--recipe", "alexnut"], "no recipe 'alexnut'"),
    ],
)
def test_failures_are_one_line(workshop, arguments, line):
    done = workshop.alexctl("bench", "--recipe", workshop.recipe, *arguments, code=1)
    assert line in done.stderr and len(done.stderr.splitlines()) == 1


def test_direct_work_of_the_papers_net():
    """The issue's figures, in millions a layer, and 529 GFLOP a step of 128 images."""
    work = bench.direct_work(topology(load("alexnet").net, 1000))
    forward = {name: each[0] for name, each in work.items() if each[0]}
    assert {name: round(each / 1e6) for name, each in forward.items() if name.startswith("conv")} == {
        "conv1": 105,
        "conv2": 224,
        "conv3": 150,
        "conv4": 112,
        "conv5": 75,
    }
    assert forward["fc6"] + forward["fc7"] + forward["fc8"] == 9216 * 4096 + 4096 * 4096 + 4096 * 1000
    assert work["conv1"][1] == forward["conv1"] and work["conv2"][1] == 2 * forward["conv2"]
    assert 2 * 128 * sum(sum(each) for each in work.values()) == pytest.approx(529e9, abs=0.5e9)


def test_medians_of_the_slowest_process(workshop):
    """Two processes' times of three repetitions; a part counts by its own slowest process."""
    recipe = load(workshop.recipe)
    workload = bench.Workload(recipe, 3, BATCH, CpuEngine(1), SoloLink(2))
    first, second = [1.0, 9.0, 3.0], [2.0, 2.0, 2.0]  # the slowest: 2, 9, 3

    def gather(value):
        if not isinstance(value, list):
            return [value, value]
        return [[dict.fromkeys(row, one) for row, one in zip(value, times, strict=True)] for times in (first, second)]

    report = bench.measure(workload, 3, gather)
    whole = {report.step_s, report.update_s, report.sums_s, report.forward_s, report.ten_crop_s, report.one_image_s}
    assert whole == {3.0}
    assert all((each.forward_s, each.backward_s) == (3.0, 3.0) for each in report.layers)
    found = report.as_json("cpu", 1)
    assert found["images_per_s"] == pytest.approx(BATCH / 3)
    assert report.ten_crop_images == 2 * 4  # 40 views fill 5 batches of 8, in each of two processes
    assert found["ten_crop_images_per_s"] == pytest.approx(8 / 3)
    conv2 = next(each for each in found["layers"] if each["name"] == "conv2")
    assert conv2["gflops"] == pytest.approx(3 * 2 * BATCH * WORK["conv2"] / 6 / 1e9)
    done = 2 * 2 * sum(workload.convolution_work()["conv2"])  # both processes', as each says
    assert conv2["gflops_done"] == pytest.approx(done / 6 / 1e9)


def test_processes_that_share_a_net_count_an_image_once(workshop):
    workload = bench.Workload(load(workshop.recipe), 3, BATCH, CpuEngine(1), SoloLink(2))
    workload.ten_crops()
    workload.one_image()  # the nets are made: whole ones, so that nothing has to be exchanged
    workload.link.place = replace(workload.link.place, owned=range(1))  # one of two columns, and nobody else's images
    report = bench.measure(workload, 1, lambda value: [value, value])
    assert (report.procs, report.ten_crop_images) == (2, 4)


def test_each_rate_is_by_its_own_time():
    report = Report(1, BATCH, 2.0, 0.1, 0.2, 0.5, 4.0, 3, 0.25, 90.0, ())
    found = report.as_json("cpu", 1)
    rates = [found[key] for key in ("images_per_s", "forward_images_per_s", "ten_crop_images_per_s", "one_image_s")]
    assert rates == [BATCH / 2, BATCH / 0.5, 3 / 4, 0.25]


class Clock:
    """An engine whose marks are told beforehand."""

    def __init__(self, *times: float) -> None:
        self._times = iter(times)

    def mark(self) -> float:
        return next(self._times)

    def seconds(self, start: float, end: float) -> float:
        return end - start


def test_a_part_counts_each_time_that_it_is_entered():
    """A step's sums of gradients are several."""
    watch = Stopwatch(Clock(0, 1, 3, 4, 9, 10))

    def act() -> None:
        for _ in range(2):
            with watch("sums"):
                pass

    assert watch.rows(act, 1, SoloLink(1)) == [{"sums": 2 + 5, "step": 10}]


def test_parts_add_up_to_the_step(workshop):
    workload = bench.Workload(load(workshop.recipe), 3, BATCH, CpuEngine(1), SoloLink(2))
    report = bench.measure(workload, 1, lambda value: [value])
    parts = report.sums_s + report.update_s + sum(each.forward_s + each.backward_s for each in report.layers)
    assert 0 < parts <= report.step_s


def test_one_image_goes_through_the_net_that_was_trained(workshop):
    """In the single image's layout, with the same weights: the outputs are a batch's."""
    workload = bench.Workload(load(workshop.recipe), 3, BATCH, CpuEngine(1), SoloLink(2))
    workload.step()
    workload.one_image()
    net, image = workload._single
    assert image.shape[0] == 1 and net.engine is not workload.net.engine
    images = workload.net.engine.maps(BATCH, *image.shape[1:])
    workload.net.engine.pack(image, images)
    workload.net.forward(images, Pass(1, BATCH, dropout=workload.recipe.dropout))
    found, expected = net.engine.unpack(net.probs, 1), workload.net.engine.unpack(workload.net.probs, 1)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_peak_memory_where_the_system_tells_it_in_no_file(tmp_path, monkeypatch):
    """As on macOS, and in sandboxes whose status has no VmHWM."""
    told = bench.peak_rss_mb()
    (tmp_path / "status").write_text("Name:\tpython\nVmRSS:\t    1000 kB\n")
    for place in (tmp_path / "status", tmp_path / "absent"):
        monkeypatch.setattr(bench, "STATUS", place)
        assert 0.9 * told <= bench.peak_rss_mb() <= 100 * told


def test_peak_memory_notices_an_array():
    before = bench.peak_rss_mb()
    ours = bytearray(b"x") * 300_000_000
    assert bench.peak_rss_mb() >= 300 and bench.peak_rss_mb() >= before
    del ours
