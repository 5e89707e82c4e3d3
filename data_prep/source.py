"""A source of images as `alexctl prep` was asked to see it: its form found, its classes named, chosen, ordered."""

import difflib
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from alexnet.console import say
from alexnet.data.format import ClassInfo
from alexnet.errors import Failure, reason
from alexnet.texts import composed, decoded
from data_prep import published
from data_prep.options import ClassOrder, PrepOptions
from data_prep.readers import Listing, devkit, recognise
from data_prep.readers.devkit import WNID

NAME_FILES = ("LOC_synset_mapping.txt", "words.txt")  # a WNID and its words a line


def open_source(source: Path, options: PrepOptions) -> Listing:
    """List `source` as asked for: its form, the order and the choice of its classes. Failure where it will not do."""
    try:
        reader = recognise(source, options.form)
        say(f"{source} is read as {reader.name}: {reader.about}")
        if options.check_md5:
            published.check_md5(source)
        listing = _ordered(_named(reader.listing(source), source), source, options.class_order)
        return listing if options.classes is None else _chosen(listing, options.classes)
    except OSError as error:
        where = error.filename or source
        raise Failure(f"{where} cannot be listed ({error.strerror}): fix that and run the same command again") from None


def _named(listing: Listing, source: Path) -> Listing:
    """Give WNIDs the words of the devkit, or of a list of words, that lies beside the images."""
    if not _are_wnids(listing.classes):
        return listing
    words: dict[str, str] = {}
    for kit in filter(None, (devkit.find(source, year) for year in devkit.ARCHIVES)):
        words |= {synset.wnid: synset.words for synset in kit.synsets}
    for path in (source / name for name in NAME_FILES):
        if path.is_file():
            lines = decoded(path.read_bytes(), errors="replace").splitlines()
            words |= {line[:9]: line[9:].strip() for line in lines if WNID.fullmatch(line[:9])}
    classes = [
        info if info.name != info.id else replace(info, name=words.get(info.id) or info.id) for info in listing.classes
    ]
    return replace(
        listing, classes=classes, class_order="wnid" if listing.class_order == "sorted" else listing.class_order
    )


def _ordered(listing: Listing, source: Path, order: ClassOrder | None) -> Listing:
    """Put the classes into the order asked for."""
    if order is None or order == listing.class_order:
        return listing
    if not _are_wnids(listing.classes):
        raise Failure(
            f"--class-order {order} is for ImageNet's classes; {source} has others, such as {listing.classes[0].id}: "
            "leave it out"
        )
    if order == "wnid":
        return _kept(listing, sorted(listing.classes, key=lambda info: info.id), order)
    kits = [kit for kit in (devkit.find(source, year) for year in devkit.ARCHIVES) if kit]
    ids = {info.id for info in listing.classes}
    for kit in kits:
        numbers = {synset.wnid: synset.id for synset in kit.synsets}
        if ids <= set(numbers):
            return _kept(listing, sorted(listing.classes, key=lambda info: numbers[info.id]), order)
    if kits:
        raise Failure(f"--class-order devkit: {kits[0].where} does not know all classes of {source}: use wnid")
    archives = " or ".join(devkit.ARCHIVES.values())
    raise Failure(f"--class-order devkit needs the devkit: put {archives} into {source}")


def _chosen(listing: Listing, path: Path) -> Listing:
    """Keep the classes that a file names, in the order they have."""
    try:
        lines = [composed(line.strip()) for line in decoded(path.read_bytes()).splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"--classes {path} cannot be read ({reason(error)}): write one WNID or name per line") from None
    called = defaultdict(list)
    for info in listing.classes:
        for name in {info.id, info.name, *info.name.split(", ")}:
            called[composed(name).casefold()].append(info)
    wanted: set[str] = set()
    for number, line in enumerate(lines, 1):
        word = line.split()[0] if WNID.match(line) else line  # "n01440764 tench" is its WNID
        fitting = called.get(word.casefold(), [])
        if len(fitting) > 1:
            ids = " and ".join(info.id for info in fitting)
            raise Failure(f"{path}, line {number}: {word} is the name of {ids}: write which")
        if word and not fitting:
            near = difflib.get_close_matches(word.casefold(), called, 1)
            hint = f", perhaps {near[0]}" if near else ""
            raise Failure(f"{path}, line {number}: there is no class {word}{hint}: fix the line")
        wanted.update(info.id for info in fitting)
    if not wanted:
        raise Failure(f"--classes {path} names no class: write one WNID or name per line")
    return _kept(listing, [info for info in listing.classes if info.id in wanted], listing.class_order)


def _kept(listing: Listing, classes: list[ClassInfo], order: str) -> Listing:
    """The listing with these of its classes, in this order, and their images."""
    labels = {info.index: label for label, info in enumerate(classes)}
    splits = {
        split: [entry._replace(label=labels[entry.label]) for entry in entries if entry.label in labels]
        for split, entries in listing.splits.items()
    }
    renumbered = [replace(info, index=label) for label, info in enumerate(classes)]
    return replace(listing, classes=renumbered, class_order=order, splits=splits)


def _are_wnids(classes: list[ClassInfo]) -> bool:
    return bool(classes) and all(WNID.fullmatch(info.id) for info in classes)
