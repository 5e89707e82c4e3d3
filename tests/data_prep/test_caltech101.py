"""The script that shares Caltech-101 out: 30 photographs of each class to learn from, the same whenever it runs."""

import shutil
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "caltech101.sh"
COUNTS = {"Faces easy": 33, "ant": 31}


def shared_out(here: Path, source: Path) -> dict[str, set[str]]:
    """The names in each of the folders."""
    (here / "scripts").mkdir(parents=True)
    shutil.copy(SCRIPT, here / "scripts")
    done = subprocess.run(["bash", here / "scripts" / SCRIPT.name, source], check=True, capture_output=True, text=True)
    assert done.stdout == "images/caltech101\n"
    images = here / "images" / "caltech101"
    folders = images.glob("*/*")
    return {str(folder.relative_to(images)): {each.name for each in folder.iterdir()} for folder in folders}


def test_thirty_of_each_class_are_to_learn_from_and_the_rest_to_be_classified(tmp_path):
    source = tmp_path / "101_ObjectCategories"
    for name, count in COUNTS.items():
        (source / name).mkdir(parents=True)
        for number in range(count):
            (source / name / f"image_{number:04}.jpg").write_bytes(b"a photograph")
    found = shared_out(tmp_path / "here", source)
    assert {folder: len(names) for folder, names in found.items()} == {
        **{f"train/{name}": 30 for name in COUNTS},
        **{f"val/{name}": count - 30 for name, count in COUNTS.items()},
    }
    for name, count in COUNTS.items():
        assert len(found[f"train/{name}"] | found[f"val/{name}"]) == count, "none is in both"
    first = {f"image_{number:04}.jpg" for number in range(30)}
    assert found["train/Faces easy"] != first, "they are drawn"
    assert shared_out(tmp_path / "again", source) == found
