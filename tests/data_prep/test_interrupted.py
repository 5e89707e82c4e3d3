"""A prep that is killed, stopped or out of room, at any instant: what is there is whole, and it goes on."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from samples import files_of, folder_source

from alexnet.data.format import Stamp
from alexnet.data.shards import Dataset
from alexnet.errors import Failure
from alexnet.workers import shared_out
from data_prep import PrepOptions, prepare
from data_prep.plan import ShardPlan
from data_prep.readers import Entry
from data_prep.work import Job, make_shard

SIZE = 48
SCRIPT = """
import sys
from pathlib import Path
from alexnet.errors import Failure
from alexnet.workers import shared_out
from data_prep import PrepOptions, prepare
{before}
if __name__ == "__main__":
    try:
        prepare(Path(sys.argv[1]), Path(sys.argv[2]), PrepOptions(size=48, workers=int(sys.argv[3])))
    except Failure as error:
        sys.exit(f"Failure: {{error}}")
    except KeyboardInterrupt:
        sys.exit("interrupted")
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    counts = {"train/a": 150, "train/b": 150, "val/a": 20, "test/b": 20}
    return folder_source(tmp_path_factory.mktemp("source"), counts, side=90)


@pytest.fixture(scope="module")
def straight(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The bytes of a run that nothing disturbed."""
    out = tmp_path_factory.mktemp("straight") / "out"
    prepare(source, out, PrepOptions(size=SIZE, workers=1))
    return files_of(out)


def start(source: Path, out: Path, workers: int, before: str = "") -> subprocess.Popen[str]:
    """A prep in a session of its own, from a script file as its workers need one."""
    script = out.with_suffix(".py")
    script.write_text(SCRIPT.format(before=before))
    command = [sys.executable, str(script), str(source), str(out), str(workers)]
    paths = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(command, env=paths, stderr=subprocess.PIPE, text=True, start_new_session=True)


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.002)


def finish(source: Path, out: Path, straight: dict[str, bytes]) -> None:
    """What is there is whole and right; going on gives the straight run's bytes."""
    for name, content in files_of(out).items():
        assert name.startswith(".part-") or content == straight[name]
    if "stats.h5" not in files_of(out):
        with pytest.raises(Failure, match=r"stats\.h5 is missing"):
            Dataset(out)
    prepare(source, out, PrepOptions(size=SIZE, workers=1))
    assert files_of(out) == straight


@pytest.mark.parametrize("group", range(5))
def test_killed_at_any_instant(source: Path, straight: dict[str, bytes], tmp_path: Path, group: int) -> None:
    """Fifty instants: in each group ten, after so many tenths of the files and a moment."""
    files, unfinished = sum(name.endswith(".h5") for name in straight), 0
    for tenth in range(10):
        out, workers = tmp_path / str(tenth) / "out", 1 if (group + tenth) % 2 else 2
        out.parent.mkdir()
        run = start(source, out, workers)

        while run.poll() is None and not (out.exists() and len(list(out.glob("*.h5"))) >= tenth * files // 10):
            time.sleep(0.001)
        time.sleep(random.Random().random() / 50)
        run.kill()
        run.communicate()
        unfinished += not (out / "stats.h5").exists()
        finish(source, out, straight)
    assert unfinished >= 2, "nearly every kill came after the end"


def test_killed_between_any_two_files(source: Path, straight: dict[str, bytes], tmp_path: Path) -> None:
    """Every order of events that can be left on the disk: the first n files a run commits, and a rest."""
    order = [name for name in straight if name.startswith(("train", "val", "test"))]
    order = ["prep.json", *order, "skipped.jsonl", "classes.json", "stats.h5"]
    for count in range(1, len(order) + 1, 4):
        out = tmp_path / str(count)
        out.mkdir()
        for name in order[:count]:
            (out / name).write_bytes(straight[name])
        if count < len(order):
            half = straight[order[count]]
            (out / f".part-99-{order[count]}").write_bytes(half[: len(half) // 2])
        finish(source, out, straight)


def test_workers_end_with_their_parent(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run = start(source, out, workers=2)
    wait_for(lambda: any(out.glob("train-*")) if out.exists() else False)
    children = children_of(run.pid)
    assert len(children) >= 2
    run.kill()
    run.communicate()
    wait_for(lambda: not any(alive(child) for child in children), 5)


def children_of(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_ends_quietly(source: Path, straight: dict[str, bytes], tmp_path: Path, workers: int) -> None:
    out = tmp_path / "out"
    run = start(source, out, workers)
    wait_for(lambda: any(out.glob("train-*")) if out.exists() else False)
    os.killpg(run.pid, signal.SIGINT)  # a terminal tells the whole group
    _, said = run.communicate(timeout=120)
    if run.returncode:  # else it had just finished
        assert "interrupted" in said and "Traceback" not in said
        assert not list(out.glob(".part-*"))
    finish(source, out, straight)


def test_ctrl_c_is_the_parents_to_handle(source: Path, straight: dict[str, bytes], tmp_path: Path) -> None:
    out = tmp_path / "out"
    run = start(source, out, workers=2)
    wait_for(lambda: any(out.glob("train-*")) if out.exists() else False)
    for child in children_of(run.pid):
        os.kill(child, signal.SIGINT)
    _, said = run.communicate(timeout=120)
    assert run.returncode == 0 and "Traceback" not in said
    assert files_of(out) == straight


class Deadly:
    """A fetch under which the worker dies as the kernel's memory guard kills: at once."""

    def __call__(self, entry: Entry) -> bytes:
        os.kill(os.getpid(), signal.SIGKILL)
        return b""


def test_a_killed_worker_is_told(tmp_path: Path) -> None:
    stamp = Stamp("identity", SIZE, "sorted", 0)
    jobs = [
        Job(ShardPlan("val", index, [Entry("x", 0, "x")]), Deadly(), stamp, ("a", "b"), tmp_path) for index in range(5)
    ]
    with pytest.raises(Failure, match=r"a worker was killed.*run the same command again"):
        list(shared_out(make_shard, jobs, 2))


class Slow:
    """A fetch that takes ten minutes over "slow"."""

    def __call__(self, entry: Entry) -> bytes:
        if entry.name == "slow":
            time.sleep(600)
        return b""


def test_workers_are_not_waited_for(tmp_path: Path) -> None:
    stamp = Stamp("identity", SIZE, "sorted", 0)
    jobs = [
        Job(ShardPlan("val", index, [Entry(name, 0, "x")]), Slow(), stamp, ("a", "b"), tmp_path)
        for index, name in enumerate(["quick", "slow", "slow", "slow"])
    ]
    making = shared_out(make_shard, jobs, 2)
    assert next(making).shard.index == 0
    begun = time.monotonic()
    making.close()
    assert time.monotonic() - begun < 120


def test_two_at_once_are_refused(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run = start(source, out, workers=1)
    wait_for(lambda: (out / "prep.json").exists())
    run.send_signal(signal.SIGSTOP)
    try:
        if run.poll() is None and not (out / "stats.h5").exists():
            with pytest.raises(Failure, match=r"another prep is writing to"):
                prepare(source, out, PrepOptions(size=SIZE, workers=1))
    finally:
        run.send_signal(signal.SIGCONT)
    run.communicate(timeout=120)
    assert run.returncode == 0


def test_no_room_is_told_before_anything_is_made(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = 340 * SIZE * SIZE * 3
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=images))
    with pytest.raises(Failure, match=r"needs 0\.02 GB for 340 images, the disk has 0\.00 GB left: make room"):
        prepare(source, tmp_path / "out", PrepOptions(size=SIZE, workers=1))
    assert list(files_of(tmp_path / "out")) == ["prep.json"]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=images + 2**26))
    assert prepare(source, tmp_path / "out", PrepOptions(size=SIZE, workers=1)).made == 340


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("limit", [50, 3_000, 60_000])
def test_a_file_that_may_not_grow(
    source: Path, straight: dict[str, bytes], tmp_path: Path, workers: int, limit: int
) -> None:
    out = tmp_path / "out"
    before = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))"
    _, said = start(source, out, workers, before).communicate(timeout=120)
    assert "Failure: " in said and "cannot be written (File too large): make room" in said, said
    assert "Traceback" not in said
    assert not list(out.glob(".part-*"))
    finish(source, out, straight)


def test_a_disk_that_fills(source: Path, straight: dict[str, bytes], tmp_path: Path) -> None:
    disk, kept = tmp_path / "disk", tmp_path / "kept"
    disk.mkdir()
    kept.mkdir()
    script = tmp_path / "fill.py"
    blind = "import shutil; usage = shutil.disk_usage; "
    blind += "shutil.disk_usage = lambda path: usage(path)._replace(free=2**40)"
    script.write_text(SCRIPT.format(before=blind))
    call = 'mount -t tmpfs -o size=1m tmpfs "$2" || exit 99; "$0" "$1" "$3" "$2/out" 1; code=$?; '
    call += 'cp -r "$2/out" "$4"; exit $code'
    arguments = [sys.executable, str(script), str(disk), str(source), str(kept)]
    run = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", call, *arguments],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    if run.returncode == 99 or "unshare" in run.stderr:
        pytest.skip(f"no small disk can be mounted here: {run.stderr.strip()}")
    assert "Failure: " in run.stderr and "cannot be written (No space left on device)" in run.stderr
    assert "Traceback" not in run.stderr
    assert len(files_of(kept / "out")) > 5, "it went far before the disk was full"
    finish(source, kept / "out", straight)
