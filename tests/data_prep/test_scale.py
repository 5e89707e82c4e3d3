"""Many images: memory does not grow with their number but for a line each, and a million are indexed in seconds."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from samples import encoded, photo, write

from alexnet.data.format import ClassInfo
from data_prep import PrepOptions
from data_prep.plan import make_plan
from data_prep.readers import Entry, Listing
from data_prep.readers.folders import FolderFetch

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads a process's peak as Linux tells it")

LINKS = 5000  # to one file; file systems have a limit
SCRIPT = """
import json, resource, sys, time
from pathlib import Path
from data_prep import PrepOptions, prepare
from data_prep.plan import make_plan
from data_prep.readers import recognise

def own_peak():  # ru_maxrss would count what the program that started this one held
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024

if __name__ == "__main__":
    source, out = Path(sys.argv[1]), Path(sys.argv[2])
    limit = int(sys.argv[3])
    if limit:
        prepare(source, out, PrepOptions(size=96, workers=2, limit=limit))
    else:
        make_plan(recognise(source).listing(source), PrepOptions(val_share=0.1))
    workers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(json.dumps([own_peak(), workers, time.process_time()]))
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200,000 small images in 200 classes, as links to a few files."""
    root = tmp_path_factory.mktemp("many")
    for number in range(200_000):
        if number % LINKS == 0:
            original = write(root / "originals" / f"{number}.png", encoded(photo(16, 16, number)))
        folder = root / "images" / "train" / f"class{number // 1000:03d}"
        if number % 1000 == 0:
            folder.mkdir(parents=True)
        os.link(original, f"{folder}/{number:06d}.png")
    return root / "images"


def measure(source: Path, out: Path, limit: int) -> tuple[float, float, float]:
    """Peak memory in MiB of a prep and of its largest worker, and its processor seconds; limit 0 only indexes."""
    script = write(out.with_suffix(".py"), SCRIPT.encode())
    command = [sys.executable, str(script), str(source), str(out), str(limit)]
    paths = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=paths, capture_output=True, text=True, check=True)
    prep, worker, seconds = json.loads(done.stdout)
    return prep, worker, seconds


def test_memory_does_not_grow_with_the_images(source: Path, tmp_path: Path) -> None:
    few, many = measure(source, tmp_path / "few", 10), measure(source, tmp_path / "many", 60)
    print(f"4,000 images: {few}; 24,000: {many}")
    assert many[1] < few[1] + 8, "a worker holds a shard, whatever there is beside"
    assert many[0] < few[0] + 8, "the listing is that of 200,000 both times"
    assert max(*few[:2], *many[:2]) < 400


def test_two_hundred_thousand_images_are_listed_in_little_memory(source: Path, tmp_path: Path) -> None:
    peak, _, seconds = measure(source, tmp_path / "index", 0)
    print(f"{peak:.0f} MiB, {seconds:.1f} s")
    assert peak < 300
    assert seconds < 20


def test_a_plan_of_many_images_takes_little_time() -> None:
    """An eighth of ImageNet's; processor seconds, which a busy machine stretches little."""
    names = [(f"train/n{label:08d}/n{label:08d}_{image}.JPEG", label) for label in range(1000) for image in range(160)]
    entries = [Entry(name, label, name) for name, label in names]
    classes = [ClassInfo(label, str(label), str(label)) for label in range(1000)]
    listing = Listing(classes, "sorted", {"train": entries}, FolderFetch(Path()), "content", "stamp")
    begun = time.process_time()
    make_plan(listing, PrepOptions(val_share=0.1))
    assert time.process_time() - begun < 3
