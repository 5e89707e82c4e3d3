"""Three wrong inputs for each command: one line that says what, where and what to do, and nothing is left behind."""

import pytest
from command import alexctl

WRONG = {
    "prep": ["{none}", "{text}", "{images} --out {text}"],
    "train": ["{none}", "{data} --recipe {text}", "{data} --recipe {recipe} --out {text}"],
    "control": ["{none} --set train.rate=1", "{run} --set train.rates=1", "{run} --set train.rate=fast"],
    "runs": ["{none}", "{text}", "{images}"],
    "eval": ["{none}", "{run} --data {images}", "{run} --report {none}/errors.html"],
    "predict": ["{none} {image}", "{run} {text}", "{run} --list {none}"],
    "figures": ["{none}", "{run} --split test", "{run} --out {text}"],
    "maps": ["{none} {image}", "{run} {text}", "{run} {image} --out {none}/maps.png"],
    "report": ["{none}", "{images}", "{run} --out {none}/report.html"],
    "serve": ["{none}", "{run} --features {text}", "{run} --host 192.0.2.1"],
    "import": ["{none}.safetensors {out}", "{text} {out}", "{recipe} {out}"],
    "export": ["{none} {out}.onnx", "{run} {out}.bin", "{run} {out}.onnx --as caffe"],
    "bench": ["--recipe {none}", "--recipe {recipe} --set train.bach=3", "--recipe {text}"],
    "doctor": ["{none}", "{images}", "{text}"],
    "show": ["{none}", "{images}", "{data} --out {none}/show.png"],
    "recipes": ["alexnett", "{text}", "alexnet --figure {none}/net.svg"],
    "features": ["{none} --out {out}", "{run} --out {none}/F.h5", "{run} --out {out} --layer relu99"],
    "neighbours": ["{none} {none}", "{text} {text}", "{recipe} {text}"],
    "codes": ["{none} {none}", "{text} {text}", "{recipe} {text}"],
    "baseline": ["{none}", "{images}", "{data} --split test", "{data} --labels {images}"],
    "reproduce": ["depths", "--cifar {none} depth", "depth --out {text}"],
}
CASES = [(name, line) for name, lines in WRONG.items() for line in lines]


@pytest.fixture(scope="module")
def places(workshop, trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wrong")
    (folder / "text.txt").write_text("a cat\n")
    images = workshop.folder / "images"
    values = {"data": workshop.data, "recipe": workshop.recipe, "run": trained, "images": images}
    return values | {
        "none": folder / "none",
        "text": folder / "text.txt",
        "out": folder / "out",
        "image": next(images.rglob("*.png")),
    }


@pytest.mark.parametrize(("name", "line"), CASES, ids=[f"{name} {line}" for name, line in CASES])
def test_a_wrong_input_is_one_line(places, monkeypatch, name, line):
    monkeypatch.chdir(places["none"].parent)
    done = alexctl(name, *(word.format(**places) for word in line.split()), code=1)
    said = done.stderr.strip().splitlines()
    assert said[-1].startswith("alexctl: ") and len(said[-1].split()) > 5, done.stderr
    assert "mistake" not in done.stderr and done.stdout.count("\n") < 3, done.stderr
    assert sorted(each.name for each in places["none"].parent.iterdir()) == ["text.txt"]
