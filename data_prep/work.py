"""The work of one shard, and the processes that share the shards."""

import os
import signal
import threading
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from alexnet.data.decode import Skip, square
from alexnet.errors import Failure, reason
from data_prep.files import Stamp, shard_head, write_part
from data_prep.plan import ShardPlan
from data_prep.readers import Entry, Fetch
from data_prep.statistics import Sums


@dataclass(frozen=True)
class Job:
    """One shard to make in `folder`."""

    shard: ShardPlan
    fetch: Fetch
    stamp: Stamp
    class_ids: tuple[str, ...]
    folder: Path


@dataclass(frozen=True)
class Made:
    """A shard written beside its name, to be committed, and how many of its entries are in it."""

    shard: ShardPlan
    part: Path
    images: int


def make_shard(job: Job) -> Made:
    """Read, decode, resize and write a shard's images; in memory it holds them all.

    Raises Failure where a file cannot be read or the shard not be written.
    """
    shard, size = job.shard, job.stamp.size
    images = np.empty((len(shard.entries), size, size, 3), np.uint8)
    entries: list[Entry] = []
    skipped: list[dict[str, str]] = []
    for entry in shard.entries:
        image = images[len(entries)]
        try:
            square(job.fetch(entry), image)
        except Skip as error:
            where = {"split": shard.split, "name": entry.name, "class": job.class_ids[entry.label]}
            skipped.append(where | {"reason": str(error)})
            continue
        except OSError as error:
            raise Failure(
                f"{entry.file} cannot be read ({error.strerror or reason(error)}): restore it and run the same again"
            ) from None
        except MemoryError:
            raise Failure(f"no memory is left to decode {entry.file}: take fewer --workers") from None
        entries.append(entry)
    images, sums = images[: len(entries)], None
    if shard.split == "train":
        sums = Sums.none(size)
        sums.add(images)
    head = shard_head(job.stamp, shard.split, shard.index, images, entries, skipped, sums)
    return Made(shard, write_part(job.folder / shard.name, head, images.reshape(-1).data), len(entries))


def make_shards(jobs: Iterable[Job], workers: int) -> Generator[Made, None, None]:
    """Make shards in so many processes (1: in this one), in the order in which they get done."""
    if workers == 1:
        yield from map(make_shard, jobs)
    else:
        yield from _in_processes(jobs, workers)


def _in_processes(jobs: Iterable[Job], workers: int) -> Iterator[Made]:
    context = get_context("spawn")
    theirs, ours = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(workers, context, initializer=_attend, initargs=(theirs,))
    pending: set[Future[Made]] = set()
    try:
        for job in jobs:
            with _uninterrupted():
                pending.add(pool.submit(make_shard, job))
            if len(pending) >= 2 * workers:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)
        pool.shutdown()
    except BrokenProcessPool:
        raise Failure(
            "a worker was killed, perhaps for want of memory: run the same again, it goes on where it was; "
            "with fewer --workers it needs less memory"
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
def _uninterrupted() -> Iterator[None]:
    """Let processes be started with Ctrl-C blocked, for good: it is for their parent to handle."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
