"""The script that gets the Grocery Store Dataset: a folder per class, whatever kinds it is nested in."""

import os
import shutil
import subprocess
from pathlib import Path

from samples import encoded, photo

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "grocery.sh"
NESTED = ("Fruit/Apple/Granny-Smith", "Fruit/Banana", "Packages/Milk/Arla-Standard-Milk")


def test_the_folders_with_photographs_become_the_classes(tmp_path):
    there = tmp_path / "there"
    for number, (split, kind) in enumerate((split, kind) for split in ("train", "val", "test") for kind in NESTED):
        path = there / "dataset" / split / kind / f"{number}.jpg"
        path.parent.mkdir(parents=True)
        path.write_bytes(encoded(photo(9, 9, number), "JPEG"))
    git = ("git", "-C", there, "-c", "user.name=a", "-c", "user.email=a@b.c")
    for words in (("init", "-q"), ("add", "."), ("commit", "-qm", "photographs")):
        subprocess.run([*git, *words], check=True)
    (tmp_path / "here" / "scripts").mkdir(parents=True)
    shutil.copy(SCRIPT, tmp_path / "here" / "scripts")
    for source in (there.as_uri(), "nowhere"):  # at the second time there is nothing left to get
        environment = os.environ | {"GROCERY": source}
        command = ["bash", "here/scripts/grocery.sh"]
        done = subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)
        assert done.stdout == "images/grocery\n"
    images = tmp_path / "here" / "images"
    assert sorted(str(path.relative_to(images).parent) for path in images.rglob("*.jpg")) == sorted(
        f"grocery/{split}/{Path(kind).name}" for split in ("train", "val", "test") for kind in NESTED
    )
    assert [path.name for path in images.iterdir()] == ["grocery"]
