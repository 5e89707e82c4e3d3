"""The page about runs: everything in one file, what is in it, and how a browser takes it."""

import itertools
import re
import shutil
from html.parser import HTMLParser

import browser
import pytest
from PIL import Image

from alexnet.cli.report import report as command
from alexnet.errors import Failure
from alexnet.pages.report import report
from alexnet.runs.log import read


@pytest.fixture(scope="module")
def runs(workshop, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    for name, change in (("one", "train.rate=0.02"), ("t<w>o", "train.rate=0.01")):
        workshop.train(folder / name, "--procs", 1, "--epochs", 2, "--set", change)
    return folder / "one", folder / "t<w>o"


class Page(HTMLParser):
    """Its elements and its text; an element left open or closed twice is noticed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.seen, self.text = [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_a_page_about_one_run(runs, tmp_path):
    report(runs[:1], tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    page = Page(text)
    pictures = [attributes for tag, attributes in page.seen if tag == "img"]
    assert len(pictures) == 2 and all(each["src"].startswith("data:image/png;base64,") for each in pictures)
    assert all(each["alt"] for each in pictures)
    rows = [row for row in read(runs[0] / "log.jsonl") if "val_loss" in row]
    for row in rows:
        assert f"{100 * row['val_top1_error']:.2f} %" in text and f"{row['val_loss']:.4f}" in text
    assert f"{100 * min(row['val_top1_error'] for row in rows):.2f} %" in text
    assert "Where the recipes differ" not in text and "train.momentum" in text
    assert "alexctl train" in text and "__main__" not in text
    assert not re.search(r"https?://|<script|<link|@import", text), "a page needs no network"


def test_several_runs_are_set_against_each_other(runs, tmp_path):
    report(runs, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    Page(text)
    section = text.partition("Where the recipes differ")[2].partition("</section>")[0]
    assert re.findall(r"<code>([^<]+)</code></th>", section) == ["train.rate"]
    assert "0.02" in section and "0.01" in section
    assert "t&lt;w&gt;o" in text and "t<w>o" not in text


def test_runs_of_one_name_are_told_apart_and_set_against_their_recipe(runs, tmp_path):
    for place in ("old", "new"):
        shutil.copytree(runs[0], tmp_path / place / "run")
        log = tmp_path / place / "run" / "log.jsonl"
        log.write_text(log.read_text().replace('"recipe": "small"', '"recipe": "alexnet-mini"'))
    for name in ("predictions", "errors"):
        Image.new("RGB", (9, 9)).save(tmp_path / "new" / "run" / f"{name}.png")
    report([tmp_path / "old" / "run", tmp_path / "new" / "run"], tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    Page(text)
    assert "<h1>old/run, new/run</h1>" in text and text.count("<figcaption>new/run, as in") == 2
    assert text.count("<figcaption>new/run, images that it gets wrong") == 1 and "old/run, images" not in text
    section = text.partition("old/run: what differs from the recipe alexnet-mini")[2].partition("</section>")[0]
    assert re.search(r"train\.batch</code></th><td><code>64</code></td><td><code>20<", section)
    assert "train.momentum" not in section


def test_a_run_with_no_step_yet(runs, tmp_path):
    begun = tmp_path / "begun"
    begun.mkdir()
    shutil.copy(runs[0] / "recipe.toml", begun)
    (begun / "log.jsonl").write_text((runs[0] / "log.jsonl").read_text().splitlines()[0] + "\n")
    report([begun], tmp_path / "page.html", seconds=10)
    page = Page((tmp_path / "page.html").read_text())
    said = "".join(page.text)
    assert not any(tag == "img" for tag, _ in page.seen)
    assert "none yet" in said and "None yet: the first" in said
    assert "every 10 seconds until the training ends" in said and " of 2<" in (tmp_path / "page.html").read_text()
    assert ("meta", {"http-equiv": "refresh", "content": "10"}) in page.seen


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    (tmp_path / "log.jsonl").write_text("")
    with pytest.raises(Failure, match="has no beginning"):
        report([tmp_path], tmp_path / "page.html")


def test_the_command(workshop, runs):
    done = workshop.alexctl("report", *runs)
    assert "report.html" in done.stderr and (runs[0] / "report.html").is_file()
    assert "no such run" in workshop.alexctl("report", "nowhere", code=1).stderr


def test_a_run_is_watched_until_its_training_ends(runs, tmp_path, monkeypatch, capsys):
    shutil.copytree(runs[0], tmp_path / "run")
    page, trains, seen = tmp_path / "page.html", [True], []
    monkeypatch.setattr("alexnet.runs.directory.held", lambda lock: trains[0])

    def passed(seconds):
        seen.append((seconds, page.read_text()))
        trains[0] = len(seen) < 3

    monkeypatch.setattr("alexnet.cli.report.time.sleep", passed)
    command([tmp_path / "run"], page, watch=True)
    assert [seconds for seconds, text in seen if 'http-equiv="refresh"' in text] == [10, 10, 10]
    assert "http-equiv" not in page.read_text(), "a page that is written no more is not loaded anew"
    said = capsys.readouterr().err
    assert said.count("open it in a browser") == 1 and said.endswith(f"written: {page}\n")


@pytest.mark.skipif(browser.PROGRAM is None, reason="no chromium here")
def test_a_browser_shows_it_at_every_width(workshop, runs, tmp_path):
    """Every picture drawn, no line of the console; nothing is wider than the window, on a phone no table either."""
    shutil.copytree(runs[0], tmp_path / "a-run-of-photographs-with-a-long-name")
    many = [tmp_path / "a-run-of-photographs-with-a-long-name", *runs]
    workshop.alexctl("eval", many[0], "--report", many[0] / "eval-val.json")
    report(many[:1], tmp_path / "one.html")
    report(many, tmp_path / "three.html")
    wider = "[...document.querySelectorAll('.wide')].filter(e => e.scrollWidth > e.clientWidth).map(e => e.innerText)"
    with browser.Browser(tmp_path / "profile") as window:
        for page, width in itertools.product(("one", "three"), (320, 400, 1280)):
            window.tell("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=True)
            window.open((tmp_path / f"{page}.html").as_uri())
            assert window.run("[...document.images].every(image => image.naturalWidth > 100)")
            assert window.run("document.documentElement.scrollWidth") <= width
            assert window.run(wider) == [], f"{page} at {width}"
        assert window.lines == []
