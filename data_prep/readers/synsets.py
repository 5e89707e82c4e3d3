"""Whole releases of ImageNet, Fall 2009 and Fall 2011: a tar for each synset, in a folder or in one tar.

    SOURCE/n01440764.tar, SOURCE/n01443537.tar, ...        or SOURCE/fall11_whole.tar

They come without splits; half of each class becomes test, by the seed, as in section 6 of the paper.
"""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from alexnet.console import progress
from alexnet.data.format import ClassInfo
from alexnet.errors import Failure
from data_prep import published
from data_prep.readers.archive import THREADS, PlaceFetch, first_member, members
from data_prep.readers.base import Form, Listing
from data_prep.readers.devkit import WNID
from data_prep.readers.gather import Found, content_of, entries_of, stamp_of
from data_prep.readers.ilsvrc import images_of, wnids_of

FALL_2011 = "fall11_whole.tar"


def recognises(source: Path) -> bool:
    """Whether there are tars of synsets in `source`, or one tar of them."""
    return bool(_synset_tars(source)) or bool(_whole_tars(source))


def listing(source: Path) -> Listing:
    """List all images as train; Failure where a tar is damaged or where there are tars of both kinds."""
    tars, whole = _synset_tars(source), _whole_tars(source)
    if len(whole) + bool(tars) != 1:
        found = ", ".join(path.name for path in [*whole, *tars[:1]]) or "no tar of them"
        raise Failure(f"{source} must hold either a tar for each synset or one tar of them, it has {found}")
    ids = [tar.stem for tar in tars] if tars else wnids_of(whole[0])
    labels = {wnid: label for label, wnid in enumerate(ids)}
    notes: list[str] = []
    entries = entries_of("train", _images_of_each(tars) if tars else images_of(whole[0]), labels, notes)
    counts = Counter(ids[entry.label] for entry in entries)
    if whole and whole[0].name == FALL_2011:
        notes.append(published.compare("fall2011", "train", counts))
    if empty := [wnid for wnid in ids if not counts[wnid]]:
        notes.append(f"{len(empty)} synsets have no images, the first: {empty[0]}")
    stamp, splits = stamp_of(tars or whole), {"train": entries}
    classes = [ClassInfo(label, wnid, wnid) for label, wnid in enumerate(ids)]
    fetch = PlaceFetch(source, stamp)
    return Listing(classes, "wnid", splits, fetch, content_of(splits), stamp, notes, val_share=0.0, test_share=0.5)


def _synset_tars(source: Path) -> list[Path]:
    return sorted(path for path in source.glob("n*.tar") if WNID.fullmatch(path.stem) and path.is_file())


def _whole_tars(source: Path) -> list[Path]:
    """The tars in `source` that begin with a synset's tar."""
    tars = sorted(path for path in source.glob("*.tar") if not WNID.fullmatch(path.stem) and path.is_file())
    firsts = ((path, first_member(path)) for path in tars)
    return [path for path, first in firsts if first and WNID.fullmatch(first.base.removesuffix(".tar"))]


def _images_of_each(tars: list[Path]) -> Iterator[Found]:
    with ThreadPoolExecutor(THREADS) as pool, progress("index", len(tars), unit="tars") as advance:
        for tar, images in zip(tars, pool.map(members, tars), strict=True):
            for image in images:
                yield Found(tar.stem, image.base, tar.name, image.start, image.length)
            advance(1)


FORM = Form("synsets", "a tar for each synset, n01440764.tar, or one tar of such tars", recognises, listing)
