"""How well short codes find what is alike (paper, 6.1): the autoencoder's beside those of hyperplanes, and Euclid.

Recall is of the ten nearest by Euclidean distance of the rows that were coded; precision is by label. A query's time is
that of one query alone, from its code to the hundred nearest.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet import pca
from alexnet.console import progress, say
from alexnet.data.shards import Dataset
from alexnet.errors import Failure
from alexnet.files import sweep
from alexnet.retrieval import hyperplanes
from alexnet.retrieval.addresses import LONGEST, Addresses
from alexnet.retrieval.autoencoder import Training
from alexnet.retrieval.codes import Coding, build, encoded, enough
from alexnet.retrieval.features import Features, Floats, singles
from alexnet.retrieval.index import read
from alexnet.retrieval.measures import PRECISE, Quality, quality
from alexnet.retrieval.neighbours import Neighbours, nearest
from alexnet.retrieval.packing import Bits, Words, pack, ranked
from alexnet.retrieval.packing import nearest as nearest_codes
from alexnet.retrieval.pixels import write_pixels
from alexnet.workers import shared_out

LEARNT = 10_000  # rows from which hyperplanes are learnt
ASKED = 1000  # queries at most
TIMED = 50  # queries whose time is taken
TRUE, DEEP = 10, max(PRECISE)  # neighbours that are to be recalled; nearest whose labels are compared
RADIUS = 2  # bits about an address within which codes are looked up


@dataclass(frozen=True)
class Row:
    """A line of the comparison: what `method` reached with codes of `bits` of one kind of rows (`of`).

    `bytes` an image takes, `ms` a query; of codes that are addresses also `lookup_ms` and how many `looked_up` within
    two bits. Of exact Euclidean neighbours (`bits` None) there is no ranking of all rows, so no mean average precision.
    """

    of: str
    method: str
    bits: int | None
    bytes: int
    ms: float
    recall: dict[int, float]
    precision: dict[int, float]
    mean_average_precision: float | None
    lookup_ms: float | None = None
    looked_up: float | None = None

    def as_json(self) -> dict[str, Any]:
        """What `alexctl codes --json` prints of it."""
        return asdict(self)


@dataclass(frozen=True)
class Compared:
    """The lines of one kind of rows, the nearest to each query by Euclidean distance, and by the longest codes."""

    rows: list[Row]
    by_distance: NDArray[np.int64]
    by_code: NDArray[np.intp]


@dataclass(frozen=True)
class Plan:
    """Codes of `bits` each, of `features` and, given their `data`, of the same images' pixels; all into a folder.

    `training` None: one in which an autoencoder is shown 200,000 rows, or each once where there are more.
    """

    features: Path
    queries: Path
    out: Path
    data: Dataset | None
    bits: Sequence[int]
    training: Training | None
    seed: int


def measure(plan: Plan, workers: int) -> dict[str, Compared]:
    """Make the codes that are not there yet, in so many processes, and compare: "features", and "pixels" given `data`.

    Raises Failure where files do not belong together, or rows are too few for codes of so many bits.
    """
    features, queries = Features(plan.features), Features(plan.queries)
    _check(features, queries, plan.bits)
    plan.out.mkdir(parents=True, exist_ok=True)
    sweep(plan.out, lambda name: name.startswith(("codes-", "training-")))
    kinds = {"features": (features, queries)}
    if plan.data is not None:
        names = {"pixels.h5": features, "pixels-queries.h5": queries}
        rows, sought = (_pixels(plan.data, of, plan.out / name) for name, of in names.items())
        kinds["pixels"] = (rows, sought)
    training = plan.training or enough(features)
    jobs = {
        kind: [Coding(rows.path, plan.out / f"codes-{kind}-{bits}.h5", bits, training, plan.seed) for bits in plan.bits]
        for kind, (rows, _) in kinds.items()
    }
    build([job for each in jobs.values() for job in each], workers)
    comparisons = [
        Comparison(kind, rows.path, sought.path, jobs[kind], plan.seed) for kind, (rows, sought) in kinds.items()
    ]
    say("comparing with codes by hyperplanes")
    compared = dict(shared_out(compare, comparisons, workers))
    return {kind: compared[kind] for kind in kinds}


def asked(queries: Features) -> NDArray[np.intp]:
    """(q): the numbers of the queries that are put."""
    return _spread(queries.count, ASKED)


def _spread(count: int, most: int) -> NDArray[np.intp]:
    """At most so many of `count` numbers, evenly: a split other than the training images is in order of its classes."""
    return np.linspace(0, count - 1, min(most, count)).astype(np.intp)


def _pixels(data: Dataset, of: Features, out: Path) -> Features:
    """The pixels of the images that features are of."""
    if of.origin.dataset != data.identity:
        raise Failure(f"{of.path} is of another dataset than {data.path}: name the data that it was made of")
    with progress(f"pixels: {of.origin.split}", of.count) as advance:
        write_pixels(data, of.origin.split, of.count, out, advance)
    return Features(out)


def _check(features: Features, queries: Features, bits: Sequence[int]) -> None:
    """Raise Failure, before anything long begins, where the comparison cannot be made."""
    if (features.origin.net, features.origin.layer) != (queries.origin.net, queries.origin.layer):
        raise Failure(f"{features.path} and {queries.path} are not of one layer of one net: make both from one run")
    most = min(features.width, features.count)
    if max(bits) > most:
        raise Failure(
            f"{features.path}: {features.count} rows of {features.width} values have no {max(bits)} principal axes "
            f"to compare with: ask for --bits {most} at most"
        )
    if features.count < TRUE:
        raise Failure(f"{features.path} has {features.count} rows: {TRUE} are the least to find neighbours among")


@dataclass(frozen=True)
class Comparison:
    """Measure the indexes that `jobs` made of the rows of `features`, and codes of as many bits by hyperplanes."""

    of: str
    features: Path
    queries: Path
    jobs: Sequence[Coding]
    seed: int


def compare(job: Comparison) -> tuple[str, Compared]:
    """What was measured, and the comparison: the work of a process, where products have one thread."""
    features, queries = Features(job.features), Features(job.queries)
    chosen = asked(queries)
    wanted, labels = singles(queries.rows(chosen)), queries.labels[chosen]
    euclid = nearest(features, wanted, min(DEEP, features.count))
    measured = [_euclid(job.of, features, wanted, labels, euclid)]
    learnt = singles(features.rows(_spread(features.count, LEARNT)))
    axes = pca.fit(learnt, max(each.bits for each in job.jobs))
    for each in job.jobs:
        index = read(each.out)
        planes = {
            "LSH": hyperplanes.random(learnt, each.bits, job.seed),
            "PCA": hyperplanes.principal(axes, each.bits),
            "ITQ": hyperplanes.rotated(learnt, axes, each.bits, job.seed),
        }
        codes = dict(zip(planes, encoded(features, list(planes.values())), strict=True))
        encoders: dict[str, Callable[[Floats], Bits]] = {"autoencoder": index.net, **planes}
        for method, encoder in encoders.items():
            found = codes.get(method, index.codes)
            own = pack(encoder(wanted))
            reached = quality(ranked(found, own), euclid.indices[:, :TRUE], features.labels, labels)
            measured.append(_row(job.of, method, each.bits, found, own, reached))
    longest = read(max(job.jobs, key=lambda each: each.bits).out)
    return job.of, Compared(measured, euclid.indices, longest.search(wanted, euclid.indices.shape[1]))


def _row(of: str, method: str, bits: int, codes: Words, queries: Words, reached: Quality) -> Row:
    k = min(DEEP, len(codes))
    ms = _milliseconds(lambda query: nearest_codes(codes, query, k), queries)
    lookup_ms = looked_up = None
    if bits <= LONGEST:
        addresses = Addresses(codes, bits)
        lookup_ms = _milliseconds(lambda query: addresses.within(int(query[0]), RADIUS), queries)
        looked_up = float(np.mean([len(addresses.within(int(query[0]), RADIUS)) for query in queries[:TIMED]]))
    return Row(
        of,
        method,
        bits,
        codes.itemsize * codes.shape[1],
        ms,
        reached.recall,
        reached.precision,
        reached.mean_average_precision,
        lookup_ms,
        looked_up,
    )


def _euclid(of: str, features: Features, queries: Floats, labels: NDArray[np.int32], found: Neighbours) -> Row:
    alike = features.labels[found.indices] == labels[:, None]
    precision = {depth: float(alike[:, :depth].mean()) for depth in PRECISE if depth <= alike.shape[1]}
    start = time.perf_counter()
    nearest(features, queries[:1], found.indices.shape[1])
    ms = 1000 * (time.perf_counter() - start)
    return Row(of, "Euclid", None, 2 * features.width, ms, {}, precision, None)


def _milliseconds(search: Callable[[Any], Any], queries: Words) -> float:
    """A query's median."""
    taken = []
    for query in queries[:TIMED]:
        start = time.perf_counter()
        search(query)
        taken.append(time.perf_counter() - start)
    return 1000 * float(np.median(taken))
