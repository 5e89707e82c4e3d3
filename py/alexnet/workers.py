"""Processes that share work, and end with the process that started them, however that ends."""

import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import TypeVar

from threadpoolctl import threadpool_limits

from alexnet.errors import Failure, reason

Job = TypeVar("Job")
Made = TypeVar("Made")

STARTED_WITH = {
    "OPENBLAS_NUM_THREADS": "1",  # read when NumPy is loaded
    "PYTHONSAFEPATH": "1",  # what lies where the user works, such as a signal.py, is none of our modules
}


def shared_out(work: Callable[[Job], Made], jobs: Iterable[Job], workers: int) -> Generator[Made, None, None]:
    """`work` of each job in so many processes (1: in this one), in the order in which they get done.

    `work` is a function of a module, jobs and what is made of them can be pickled; NumPy's products have one thread.
    At most `2 * workers` jobs are taken ahead. Raises what `work` raises, and Failure where a process was killed.
    """
    if workers == 1:
        for job in jobs:
            with threadpool_limits(1, "blas"):
                made = work(job)
            yield made
    else:
        yield from _in_processes(work, jobs, workers)


def _in_processes(work: Callable[[Job], Made], jobs: Iterable[Job], workers: int) -> Iterator[Made]:
    context = get_context("spawn")
    theirs, ours = context.Pipe(duplex=False)
    try:
        with _as_workers_start():
            pool = ProcessPoolExecutor(workers, context, initializer=_attend, initargs=(theirs,))
    except (OSError, ImportError, NotImplementedError) as error:  # as it is told where there are no semaphores
        raise Failure(
            f"{workers} workers cannot be started ({reason(error)}): they need a /dev/shm that can be written, "
            "or use --workers 1"
        ) from None
    pending: set[Future[Made]] = set()
    try:
        for job in jobs:
            with _as_workers_start():
                pending.add(pool.submit(work, job))
            if len(pending) >= 2 * workers:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)
        pool.shutdown()
    except BrokenProcessPool:
        raise Failure(
            "a worker was killed, perhaps for want of memory: run the same command again, perhaps with fewer --workers"
        ) from None
    finally:
        ours.close()  # ends the workers that still work
        pool.shutdown(cancel_futures=True)
        theirs.close()


def _attend(alive: Connection) -> None:
    """In a worker: end with the process that started it, however that ends."""

    def watch() -> None:
        alive.poll(None)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _as_workers_start() -> Iterator[None]:
    """What processes started meanwhile keep for good: Ctrl-C is their parent's to handle, products have one thread."""
    signals = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    before = {name: os.environ.get(name) for name in STARTED_WITH}
    os.environ.update(STARTED_WITH)
    try:
        yield
    finally:
        for name, value in before.items():
            del os.environ[name]
            if value is not None:
                os.environ[name] = value
        signal.pthread_sigmask(signal.SIG_SETMASK, signals)
