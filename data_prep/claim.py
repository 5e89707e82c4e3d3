"""Who writes to a dataset directory: a prep claims the shards it is to make, so that several may work at once.

The lock file has a byte for each shard of the plan. A prep of the whole claims all of them, a prep of a part those
of its part; claims that overlap are refused, and what lies half-written under a claimed shard's name is nobody's.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from alexnet.files import locked, sweep
from data_prep.plan import ShardPlan

LOCK = ".lock"


@contextmanager
def claimed(out: Path, span: range, whole: bool) -> Iterator[None]:
    """Have the shards of `span`, or the `whole` directory, to ourselves; Failure where another prep has them."""
    if not span and not whole:
        yield
        return
    refusal = f"another prep is writing to {out}: wait for it or give another --out"
    with locked(out / LOCK, refusal, 0 if whole else span.start, 0 if whole else len(span)):
        yield


@contextmanager
def swept(out: Path, shards: Sequence[ShardPlan], whole: bool) -> Iterator[None]:
    """Keep `out` free of what was left half-written under the names of these shards, or under any."""
    names = {shard.name for shard in shards}

    def wanted(name: str) -> bool:
        return whole or name in names

    sweep(out, wanted)
    try:
        yield
    finally:
        sweep(out, wanted)
