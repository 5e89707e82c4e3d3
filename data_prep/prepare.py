"""`alexctl prep`: a source of images into a dataset directory, whole or to be gone on with."""

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alexnet.console import progress, say
from alexnet.data.format import CLASSES, RECORD, SKIPPED, SPLITS, STATS, Damaged, Stamp, classes_json
from alexnet.data.shards import Dataset, read_shard
from alexnet.errors import Failure, reason
from alexnet.files import write_whole, writing
from alexnet.machine.cores import threads
from alexnet.machine.memory import available
from alexnet.workers import shared_out
from data_prep.claim import claimed, swept
from data_prep.files import commit, shard_account, stats_file
from data_prep.options import PrepOptions
from data_prep.plan import Plan, ShardPlan, make_plan
from data_prep.readers import Listing
from data_prep.source import open_source
from data_prep.statistics import Sums
from data_prep.unpack import fetching
from data_prep.work import Job, make_shard

UNPACKED = ".unpacked"
SPARE_BYTES = 16 * 2**20
WORKER_BYTES = 128 * 2**20  # beside its shard


@dataclass(frozen=True)
class Prepared:
    """A dataset or the part of one asked for, done: images of each split, classes, images left out, made just now."""

    path: Path
    images: dict[str, int]
    classes: int
    skipped: int
    made: int


def prepare(source: Path, out: Path, options: PrepOptions | None = None) -> Prepared:
    """Make the dataset directory `out` from `source`; go on with one begun, leave one that is whole.

    With a part only that part's shards are made; a call without one makes what is missing and joins the statistics.
    Section 2 (size, mean) and 4.1 (colour axes).

    Raises Failure where the source or `out` will not do, or the disk, or a worker, fails.
    """
    options = options or PrepOptions()
    listing = open_source(source, options)
    plan = make_plan(listing, options)
    for note in listing.notes:
        say(note)
    _enter(out)
    whole = options.part is None
    span = range(len(plan.shards)) if options.part is None else options.part.span(len(plan.shards))
    shards = plan.shards[span.start : span.stop]
    with claimed(out, span, whole):
        _settle(out, source, plan, listing)
        with swept(out, shards, whole):
            made = _complete(out, plan, shards, listing, options)
            finish = _join if whole else _part
            return finish(out, plan, shards, options.max_skipped, made)


def _complete(out: Path, plan: Plan, shards: Sequence[ShardPlan], listing: Listing, options: PrepOptions) -> int:
    """Make those of the shards that are missing; the images they were planned to have."""
    stamp = plan.stamp
    kept = {shard.name: _skipped_in(out, shard, stamp) for shard in shards}
    missing = [shard for shard in shards if kept[shard.name] is None]
    skipped = sum(count or 0 for count in kept.values())
    most_skipped = options.max_skipped * plan.images
    if missing and skipped <= most_skipped:
        (out / STATS).unlink(missing_ok=True)
        ids = tuple(info.id for info in plan.classes)
        total = sum(len(shard.entries) for shard in shards)
        with fetching(listing, out / f"{UNPACKED}-{shards[0].name}", missing) as fetch:
            _check_room(out, plan, missing)
            jobs = [Job(shard, fetch, stamp, ids, out) for shard in missing]
            workers = options.workers or _workers(missing, plan.size)
            _make(out, jobs, min(workers, len(jobs)), total, skipped, most_skipped)
    return sum(len(shard.entries) for shard in missing)


def _workers(shards: Sequence[ShardPlan], size: int) -> int:
    """As many processes as may run, each of which holds a shard in memory."""
    most, largest = threads(), max(len(shard.entries) for shard in shards) * size**2 * 3
    room = int(min(available() / (largest + WORKER_BYTES), most))
    if room < most:
        say(f"{max(room, 1)} of {most} workers: there is no memory for more, each takes {largest / 1e6:.0f} MB")
    return max(room, 1)


def _enter(out: Path) -> None:
    """See that `out` can be written to, and holds nothing of others."""
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        strangers = any(not item.name.startswith(".") for item in out.iterdir())
    if strangers and not (out / RECORD).exists():  # in this order: another part's record comes before its shards
        raise Failure(f"{out} is not empty and is not a dataset of alexctl prep: give another --out")


def _settle(out: Path, source: Path, plan: Plan, listing: Listing) -> None:
    """Record whose dataset `out` is, or see that it is this one's."""
    path = out / RECORD
    record = {"dataset": plan.identity, "stamp": listing.stamp, "images": plan.images, "size": plan.size}
    if not path.exists():
        write_whole(path, json.dumps(record | {"source": str(source.resolve())}) + "\n")
        return
    held = _read_record(path)
    if all(held.get(key) == value for key, value in record.items()):
        return
    if held.get("dataset") == plan.identity:
        what = f"files in {source} were changed since it was begun"
    else:
        what = (
            f"it was made from {held.get('source')} ({held.get('images')} images, size {held.get('size')}), "
            f"and {source} as asked for now is different ({plan.images} images, size {plan.size})"
        )
    raise Failure(f"{out} holds another dataset: {what}: give another --out, or delete {out} to make it again")


def _read_record(path: Path) -> dict[str, Any]:
    try:
        held = json.loads(path.read_bytes())
        if not isinstance(held, dict):
            raise ValueError("it is not a record")
    except (OSError, ValueError) as error:
        raise Failure(f"{path} is damaged ({reason(error)}): delete {path.parent} and prep again") from None
    return held


def _skipped_in(out: Path, planned: ShardPlan, stamp: Stamp) -> int | None:
    """How many images a whole shard of this plan left out; None where the shard has to be made."""
    path = out / planned.name
    if not path.exists():
        return None
    try:
        shard = read_shard(path)
        skipped = len(shard_account(shard)[0])
    except Damaged:
        say(f"{path} is damaged and is made again")
        return None
    held = (shard.stamp, shard.split, shard.index, len(shard) + skipped)
    return skipped if held == (stamp, planned.split, planned.index, len(planned.entries)) else None


def _check_room(out: Path, plan: Plan, missing: list[ShardPlan]) -> None:
    images = sum(len(shard.entries) for shard in missing)
    needed = (images + 4 * len(missing)) * plan.size**2 * 3 + SPARE_BYTES
    free = shutil.disk_usage(out).free
    if free < needed:
        raise Failure(
            f"{out} needs {needed / 1e9:.2f} GB for {images} images, the disk has {free / 1e9:.2f} GB left: "
            "make room or give another --out"
        )


def _make(out: Path, jobs: list[Job], workers: int, total: int, skipped: int, most_skipped: float) -> None:
    done = total - sum(len(job.shard.entries) for job in jobs)
    with closing(shared_out(make_shard, jobs, workers)) as made_shards, progress("prep", total, done=done) as advance:
        for made in made_shards:
            commit(made.part, out / made.shard.name)
            skipped += len(made.shard.entries) - made.images
            advance(len(made.shard.entries), f"{skipped} skipped" if skipped else "")
            if skipped > most_skipped:
                break  # _join or _part counts and tells


@dataclass
class Account:
    """What the shards that are there hold, and what was left out of them."""

    sums: Sums
    skipped: list[dict[str, str]]
    images: Counter[str]
    shards: Counter[str]

    @classmethod
    def of(cls, out: Path, plan: Plan, shards: Sequence[ShardPlan]) -> "Account":
        """Gather it from the shards' files."""
        account = cls(Sums.none(plan.size), [], Counter(), Counter())
        for planned in shards:
            if not (out / planned.name).exists():  # stopped for too many skips
                continue
            shard = read_shard(out / planned.name)
            left_out, sums = shard_account(shard)
            account.skipped += left_out
            account.images[planned.split] += len(shard)
            account.shards[planned.split] += 1
            if sums is not None:
                account.sums.merge(sums)
        return account

    def prepared(self, out: Path, plan: Plan, made: int) -> Prepared:
        """The same for the caller."""
        counts = {split: self.images[split] for split in SPLITS if self.images[split]}
        return Prepared(out, counts, len(plan.classes), len(self.skipped), made)


def _part(out: Path, plan: Plan, shards: Sequence[ShardPlan], max_skipped: float, made: int) -> Prepared:
    """The account of one part; its skips alone may already be too many for the whole."""
    account = Account.of(out, plan, shards)
    if len(account.skipped) > max_skipped * plan.images:
        first = account.skipped[0]
        raise Failure(
            f"{len(account.skipped)} images of this part cannot be decoded, more than {max_skipped:.0%} of all "
            f"{plan.images} (the first: {first['name']}, {first['reason']}): remove or fix them, "
            "or allow more with --max-skipped"
        )
    return account.prepared(out, plan, made)


def _join(out: Path, plan: Plan, shards: Sequence[ShardPlan], max_skipped: float, made: int) -> Prepared:
    """Gather the accounts of all shards, write what remains, the statistics last."""
    account = Account.of(out, plan, shards)
    _check_skips(out, plan, account.skipped, max_skipped, account.sums.count)
    if not _opens(out):
        write_whole(out / CLASSES, classes_json(plan.classes))
        write_whole(out / STATS, stats_file(plan.stamp, account.sums, account.images, account.shards))
    return account.prepared(out, plan, made)


def _opens(out: Path) -> bool:
    try:
        Dataset(out)
    except Failure:
        return False
    return True


def _check_skips(out: Path, plan: Plan, skipped: list[dict[str, str]], max_skipped: float, trained_on: int) -> None:
    path = out / SKIPPED
    content = "".join(json.dumps(fact) + "\n" for fact in skipped).encode()
    if not path.exists() or path.read_bytes() != content:
        write_whole(path, content)
    what = f"{len(skipped)} of {plan.images} images cannot be decoded"
    if len(skipped) > max_skipped * plan.images:
        raise Failure(
            f"{what}, more than {max_skipped:.0%} ({path} lists them): remove or fix them, "
            "or allow more with --max-skipped"
        )
    if not trained_on:
        raise Failure(f"{what} ({path} lists them): nothing is left to train on")
    if skipped:
        say(f"{what} and are left out: {path} lists them")
