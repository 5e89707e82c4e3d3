"""Two claims in miniature from nothing to the page: what is trained, what is reused, what came out."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import miniature
import numpy as np
import pytest

from alexnet.errors import Failure
from alexnet.experiments import page, statistics
from alexnet.experiments.claims import claims
from alexnet.experiments.lab import Lab
from alexnet.experiments.measures import found
from alexnet.experiments.reproduce import ahead, reproduce
from alexnet.experiments.turns import taken
from alexnet.experiments.work import Work


class Made:
    """A reproduction that has ended, and what it told."""

    def __init__(self, out, workshop):
        self.lab, self.claims = miniature.lab(out), miniature.claims(workshop.recipe)
        self.plans = miniature.plans(out, workshop.data, workshop.recipe)
        self.report = reproduce(self.lab, self.plans, "quick", self.claims)
        self.relu, self.chain = self.report["claims"]


@pytest.fixture(scope="module")
def made(workshop, tmp_path_factory):
    return Made(tmp_path_factory.mktemp("reproduction"), workshop)


def numbers(report):
    """All that must not depend on when and where it ran."""
    wanted = ("what", "ours", "low", "high", "n", "verdict", "runs")
    return [{name: row[name] for name in wanted} for claim in report["claims"] for row in claim["rows"]]


def test_rates_are_swept_with_one_seed_and_the_fastest_gets_the_others(made):
    runs = made.relu["runs"].values()
    assert sorted((run["name"].split(",")[0], run["seed"]) for run in runs) == [
        *(("relu", 0), ("relu", 0), ("relu", 1), ("tanh", 0), ("tanh", 1)),
    ]
    fast = [job.recipe.train.rate for job in found(made.lab, made.plans[0], "relu")]
    curves = {rate: made.lab.curve(job) for rate, job in made.plans[0].swept("relu").items()}
    assert min(curves, key=lambda rate: curves[rate].crossing() or 99.0) == fast[0] == fast[1]
    assert len(curves[0.0004].epochs) > 12, "it is measured at every checkpoint, not at every epoch"


def test_the_factor_is_that_of_the_crossings(made):
    row, lab, plan = made.relu["rows"][0], made.lab, made.plans[0]
    crossings = {name: [lab.curve(job).crossing() for job in found(lab, plan, name)] for name in ("tanh", "relu")}
    logs = np.log(np.array(crossings["tanh"]) / np.array(crossings["relu"]))
    assert row["n"] == 2 and row["ours"] == pytest.approx(float(np.exp(logs.mean())))
    assert row["low"] < row["ours"] < row["high"] and row["note"] == ""


def test_a_row_is_made_of_the_runs_it_names(made):
    row = made.chain["rows"][0]
    plain, tuned = (found(made.lab, made.plans[1], name) for name in ("plain", "tuned"))
    misses = [
        made.lab.predictions(job, "ten").probs.argmax(1) != made.lab.predictions(job, "ten").labels
        for job in (plain[0], tuned[0])
    ]
    assert row["ours"] == pytest.approx(100 * (misses[0].mean() - misses[1].mean()))
    assert row["n"] == 1 and row["low"] <= row["ours"] <= row["high"]
    averaged = made.chain["rows"][1]
    probs = np.mean([made.lab.predictions(job, "ten").probs for job in [*plain, *tuned]], axis=0)
    labels = made.lab.predictions(plain[0], "ten").labels
    share = statistics.share(int((probs.argmax(1) != labels).sum()), len(labels))
    assert [averaged[name] / 100 for name in ("ours", "low", "high")] == pytest.approx(share)


def test_a_chain_begins_with_the_weights_of_its_first_run(made):
    (tuned,) = found(made.lab, made.plans[1], "tuned")
    (other, _) = found(made.lab, made.plans[1], "plain")
    assert tuned.after.key == other.key != tuned.key
    command = made.chain["runs"][tuned.key]["command"]
    assert command[command.index("--init") + 1] == f"{made.lab.run(other)}:conv*,fc6"


def test_a_run_that_fails_stops_no_other_and_says_why(made):
    row = made.chain["rows"][2]
    assert row["verdict"] == "not run" and "not finite" in row["note"]
    assert made.chain["rows"][4]["verdict"] != "not run", "what comes after it"


def test_data_that_is_not_there_is_told_with_how_to_get_it(made):
    row = made.chain["rows"][3]
    assert row["verdict"] == "not run" and "--imagenet" in row["note"]


def test_alike_is_a_share_with_its_interval(made):
    for row in made.chain["rows"][5:]:
        assert 0 <= row["low"] <= row["ours"] <= row["high"] <= 100 and row["n"] == 1


def test_every_run_says_where_it_comes_from(made):
    for run in made.relu["runs"].values():
        assert run["command"][:2] == ["alexctl", "train"] and run["finished"]
        assert run["seconds"] > 0 and run["peak_rss_mb"] > 10 and run["machine"] and run["time"]
        assert (made.lab.out / run["log"]).is_file()


def test_what_is_finished_is_not_done_again(made, workshop, monkeypatch):
    def never(*arguments):
        raise AssertionError("a training")

    monkeypatch.setattr("alexnet.experiments.work.subprocess.Popen", never)
    jobs = [job for name in ("relu", "tanh") for job in found(made.lab, made.plans[0], name)]
    assert jobs and not Work(made.lab).do(jobs)


class Pretended:
    """Two cores, and for `alexctl` a program that leaves a mark as its training's end."""

    def __init__(self, tmp_path, monkeypatch, *before):
        program = tmp_path / "train.py"
        head = ("import sys, time", "from pathlib import Path", "mark = Path(sys.argv[sys.argv.index('--out') + 1])")
        program.write_text("\n".join([*head, *before, "mark.with_suffix('.mark').touch()"]))
        monkeypatch.setattr("alexnet.experiments.work.ALEXCTL", (sys.executable, str(program)))
        monkeypatch.setattr("alexnet.machine.hardware.cores", lambda: 2)
        self.lab = miniature.lab(tmp_path)
        monkeypatch.setattr(Lab, "finished", lambda lab, job: lab.run(job).with_suffix(".mark").is_file())

    def records(self, jobs):
        Work(self.lab).do(jobs)
        return [self.lab.record(job) for job in jobs]


# A training that ends only once it has seen another.
TOGETHER = (
    "mark.with_suffix('.here').touch()",
    "ends = time.monotonic() + 30",
    "while len(list(mark.parent.glob('*.here'))) < 2 and time.monotonic() < ends: time.sleep(0.01)",
    "assert time.monotonic() < ends",
)


def test_trainings_run_side_by_side(made, tmp_path, monkeypatch):
    for record in Pretended(tmp_path, monkeypatch, *TOGETHER).records(made.plans[1].jobs("plain")):
        assert "failed" not in record and record["command"][-4:] == ["--procs", "1", "--threads", "1"]


def test_a_place_that_would_idle_begins_what_comes_next(made, tmp_path, monkeypatch):
    """The item's own ends once it has seen the next one's begin, which goes on and is waited for in its turn."""
    slow = "time.sleep(1 if '--seed 1' in ' '.join(sys.argv) else 0)"
    pretended = Pretended(tmp_path, monkeypatch, *TOGETHER, slow)
    first, second = made.plans[1].jobs("plain")
    work, lab = Work(pretended.lab), pretended.lab
    assert work.do([first], [first, second])
    assert "failed" not in lab.record(first) and not lab.record(second)
    assert work.do([second]) and lab.record(second)["command"] and "failed" not in lab.record(second)
    assert not work.do([first, second])


def test_a_training_that_failed_is_not_tried_again(workshop, tmp_path, monkeypatch):
    """Of a plan of its own: with the fault that it looks for, a whole reproduction would not end."""
    plan = miniature.plans(tmp_path, workshop.data, workshop.recipe)[1]
    (job, _), (other,) = plan.jobs("plain"), plan.jobs("broken")
    pretended = Pretended(tmp_path, monkeypatch, "assert 0")
    ended = []
    work = Work(pretended.lab, lambda keys: ended.append({*keys}) or "")
    assert work.do([job]) and not work.do([job])
    assert pretended.lab.record(job)["failed"]
    assert work.do([other]) and ended == [set(), {job.key}]


def test_nothing_that_goes_on_is_begun_before_an_item_whose_times_are_taken(made):
    fig1, chain = made.plans
    timed = replace(chain, claim=replace(chain.claim, timed=True))

    def names(*plans):
        return [job.name for job in ahead(made.lab, plans)]

    assert names(timed, fig1) == []
    assert names(fig1, timed, fig1) == names(fig1, timed) == names(chain, chain) != [], "those of the next ones alone"
    assert names(chain, fig1, chain) == [*names(chain, fig1), *names(fig1, chain)]
    assert [each.name for each in claims() if each.timed] == ["short-codes"]


def test_a_training_waits_for_the_one_whose_weights_it_begins_with(made, tmp_path, monkeypatch):
    (record,) = Pretended(tmp_path, monkeypatch, "time.sleep(0.3)").records(made.plans[1].jobs("tuned"))
    assert "failed" not in record


def test_what_another_process_does_is_waited_for_and_not_done_again(made, tmp_path, monkeypatch):
    (job,) = made.plans[1].jobs("plain")[:1]
    pretended = Pretended(tmp_path, monkeypatch)
    asked = []

    def other(lock):
        asked.append(lock)
        if len(asked) == 3:
            lock.parent.mkdir()
            pretended.lab.run(job).with_suffix(".mark").touch()
        return taken(lock) if len(asked) > 2 else None

    monkeypatch.setattr("alexnet.experiments.work.taken", other)
    assert pretended.records([job]) == [{}] and len(asked) == 3


def test_what_a_training_should_begin_with_may_have_failed(made, tmp_path, monkeypatch):
    (tuned,) = made.plans[1].jobs("tuned")
    first, second = Pretended(tmp_path, monkeypatch, "assert 0").records([tuned.after, tuned])
    assert first["failed"].startswith("AssertionError")
    assert second["failed"] == f"what it begins with is not there: {tuned.after.key}"


def test_the_hash_is_of_recipe_data_seed_and_first_weights(made, workshop, tmp_path):
    plan = made.plans[1]
    plain, tuned = plan.jobs("plain"), plan.jobs("tuned")
    keys = {job.key for job in [*plain, *tuned, *plan.jobs("broken")]}
    assert len(keys) == 4
    again = miniature.plans(tmp_path, workshop.data, workshop.recipe)[1].jobs("plain")
    assert [job.key for job in again] == [job.key for job in plain], "neither place nor time is part of it"
    longer = plain[0].recipe.with_changes({"train.epochs": 3})
    assert replace(plain[0], recipe=longer).key not in keys


def test_the_page_and_its_short_form(made):
    text = (made.lab.out / "report.html").read_text()
    assert not re.search(r"https?://(?!www.w3.org/2000/svg)|<link|@import|src=\"(?!data:)", text), "no network"
    crossed = found(made.lab, made.plans[0], "tanh")[1]
    assert f'{crossed.name}</th><td class="n">{made.lab.curve(crossed).crossing():.2f}<' in text
    assert text.count("<polyline") == 5 and 'class="dashed bold"' in text and 'class="solid faint"' in text
    assert text.count("<img") == 3 and "not comparable" in text
    for claim in made.report["claims"]:
        for row in claim["rows"]:
            assert all(f'id="{claim["name"]}-{key}"' in text for key in row["runs"] if key in claim["runs"])
    lines = list(page.lines(made.report))
    assert "ours (quick)" in lines[0] and lines[1] == "3.1 relu (S3)" and lines[2].endswith("tanh over relu")
    assert sum("not run" in line for line in lines) == 2 and any("--imagenet" in line for line in lines)
    assert lines[0].index("ours") == lines[2].index(page.ours(made.relu["rows"][0])), "in columns"
    assert sum(line.startswith("| 6 |") for line in page.markdown(made.report)) == 7
    assert json.loads((made.lab.out / "report.json").read_text()) == made.report


def test_killed_it_goes_on_and_ends_with_the_same_numbers(made, workshop, tmp_path):
    out = tmp_path / "killed"
    program = tmp_path / "program.py"
    program.write_text(
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); import miniature as m\n"
        "from alexnet.experiments.reproduce import reproduce\n"
        "out, data, recipe = map(Path, sys.argv[2:])\n"
        "reproduce(m.lab(out), m.plans(out, data, recipe)[:1], 'quick', m.claims(recipe)[:1])\n"
    )
    arguments = [str(miniature.Path(miniature.__file__).parent), str(out), str(workshop.data), str(workshop.recipe)]
    runs = made.relu["runs"]
    for wanted in (1, 3):  # checkpoints in all, before it is killed
        process = subprocess.Popen([sys.executable, str(program), *arguments], stderr=subprocess.DEVNULL)
        while len(list(out.glob("runs/*/checkpoints/step-*.h5"))) < 4 * wanted and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert subprocess.run([sys.executable, str(program), *arguments], stderr=subprocess.DEVNULL).returncode == 0
    report = json.loads((out / "report.json").read_text())
    assert numbers(report) == numbers({"claims": [made.relu]})
    assert report["claims"][0]["runs"].keys() == runs.keys()


def test_a_damaged_item_is_named(made, tmp_path):
    shutil.copytree(made.lab.out / "items", tmp_path / "items")
    (tmp_path / "items" / "relu-quick.json").write_text("{")
    with pytest.raises(Failure, match=r"relu-quick\.json: damaged"):
        reproduce(miniature.lab(tmp_path), [], "quick", made.claims)


BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.mark.skipif(BROWSER is None, reason="no chromium here")
@pytest.mark.parametrize(("width", "dark"), [(420, True), (1280, False)])
def test_a_browser_shows_it(made, tmp_path, width, dark):
    """No line of the console, every figure drawn, nothing wider than the window, and a click on a head sorts."""
    probe = (
        "<script>addEventListener('load', () => {"
        "const rows = () => [...document.querySelectorAll('#numbers tbody tr')];"
        "const cells = () => rows().map(row => row.cells[3].textContent.trim());"
        "const before = cells(), head = document.querySelectorAll('#numbers thead th')[3];"
        "head.querySelector('button').click(); const after = cells();"
        "document.body.dataset.found = JSON.stringify({"
        "drawn: [...document.images].every(i => i.naturalWidth > 100),"
        "lines: [...document.querySelectorAll('polyline')].every(l => l.getTotalLength() > 50),"
        "sorted: JSON.stringify(after) === JSON.stringify([...before].sort()) && head.ariaSort === 'ascending',"
        "named: [...document.querySelectorAll('tbody tr')].every(row => row.querySelector('th[scope=row]')),"
        "wide: document.documentElement.scrollWidth - innerWidth}) })</script></body>"
    )
    page = tmp_path / "probe.html"
    page.write_text((made.lab.out / "report.html").read_text().replace("</body>", probe))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    options += ["--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}"]
    options += ["--blink-settings=preferredColorScheme=0"] if dark else []
    command = [BROWSER, *options, f"--window-size={width},900", "--enable-logging=stderr", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    for what in ("drawn", "lines", "sorted", "named"):
        assert f"&quot;{what}&quot;:true" in done.stdout, (what, done.stderr[-2000:])
    assert int(re.search(r"&quot;wide&quot;:(-?\d+)", done.stdout).group(1)) <= 0
    assert "CONSOLE" not in done.stderr


def test_the_command_lists_and_refuses(workshop):
    listed = workshop.alexctl("reproduce", "--list", "--json", "--photographs", workshop.data)
    items = {each["name"]: each for each in json.loads(listed.stdout.splitlines()[-1])["items"]}
    assert items["relu"]["systems"] == ["S3"] and "--cifar" in items["relu"]["missing"][0]
    assert items["table-1"]["missing"] == []
    assert "nearest is 'relu'" in workshop.alexctl("reproduce", "rlu", code=1).stderr
