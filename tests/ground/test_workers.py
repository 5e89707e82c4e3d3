"""Work in processes: what is made, what is raised, and that nothing of it runs ahead without bound."""

import _multiprocessing
import errno
import os
import subprocess
import sys
from collections.abc import Iterator

import numpy  # noqa: F401  its BLAS is what is asked for
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from alexnet.errors import Failure
from alexnet.workers import shared_out


def squared(number: int) -> int:
    if number == 13:
        raise Failure("no thirteenth")
    return number * number


def blas_threads(_: int) -> str | None:
    return os.environ.get("OPENBLAS_NUM_THREADS")


@pytest.mark.parametrize("workers", [1, 2])
def test_every_job_is_done_once(workers):
    assert sorted(shared_out(squared, range(10), workers)) == [number * number for number in range(10)]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failure_of_one_job_comes_out(workers):
    with pytest.raises(Failure, match="no thirteenth"):
        list(shared_out(squared, range(10, 20), workers))


def test_jobs_are_taken_as_they_are_needed():
    taken: list[int] = []

    def jobs() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number + 20

    making = shared_out(squared, jobs(), 2)
    next(making)
    assert len(taken) <= 2 * 2 + 1
    making.close()


def test_where_processes_cannot_share_anything_a_line_says_what_they_need(monkeypatch):
    """As in a container whose /dev/shm is read-only, or not there."""

    def refuse(*arguments):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(_multiprocessing, "SemLock", refuse)
    with pytest.raises(Failure, match=r"2 workers cannot be started \(.*Read-only.*\): .*/dev/shm.*--workers 1"):
        list(shared_out(squared, range(2), 2))


@pytest.mark.parametrize("before", [None, "7"])
def test_products_in_a_worker_have_one_thread_and_here_as_many_as_before(monkeypatch, before):
    if before is None:
        monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    else:
        monkeypatch.setenv("OPENBLAS_NUM_THREADS", before)
    assert set(shared_out(blas_threads, range(4), 2)) == {"1"}
    assert blas_threads(0) == before


def product_threads(_: int) -> set[int]:
    return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}


@pytest.mark.parametrize("workers", [1, 2])
def test_products_have_one_thread_wherever_a_job_is_done(workers):
    with threadpool_limits(2, "blas"):
        assert list(shared_out(product_threads, range(2), workers)) == [{1}, {1}]
        assert product_threads(0) == {2}


def test_modules_where_the_user_works_are_not_taken_for_pythons(tmp_path):
    """As a console script starts it: Python itself looks first where it is started."""
    script, work = tmp_path / "bin" / "script.py", tmp_path / "work"
    for folder in (script.parent, work):
        folder.mkdir()
    script.write_text("""
from alexnet.workers import shared_out

if __name__ == "__main__":
    print(sorted(shared_out(abs, [-1, 2], 2)))
""")
    for name in ("signal", "array", "alexnet"):
        (work / f"{name}.py").write_text("raise SystemExit('my own')")
    done = subprocess.run([sys.executable, script], cwd=work, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[1, 2]\n", "")
