"""What the tars of ILSVRC-2010 and ILSVRC-2012 have in common.

The train tar holds a tar for each class, `<wnid>.tar`; val (and test) tars hold images whose classes are in
a file of their own, an ID a line, in the order of the sorted names. Nothing is unpacked.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from alexnet.data.format import ClassInfo
from alexnet.errors import Failure
from data_prep import published
from data_prep.readers import devkit
from data_prep.readers.archive import PlaceFetch, members, nested
from data_prep.readers.base import Entry, Listing
from data_prep.readers.gather import Found, content_of, entries_of, stamp_of


@dataclass(frozen=True)
class Edition:
    """A year's files; `test` is a pattern.

    With `test_truth`, the IDs of its images, test has labels; `patch` holds better copies of some images.
    """

    year: int
    train: str
    val: str
    test: str
    test_truth: str = ""
    patch: str = ""

    def recognises(self, source: Path) -> bool:
        """Whether the train tar or the val tar is in `source`."""
        return (source / self.train).is_file() or (source / self.val).is_file()

    def listing(self, source: Path) -> Listing:
        """List train, val where there is one, and test where it has labels; Failure where a file is amiss."""
        if not (source / self.train).is_file():
            raise Failure(f"{source} lacks {self.train}: put it there")
        kit, notes = devkit.find(source, self.year), list[str]()
        ids = wnids_of(source / self.train)
        labels = {wnid: label for label, wnid in enumerate(ids)}
        told = self._with_truth(source, kit, notes)  # first: what is missing shows here, and train takes long
        others = {split: entries_of(split, found, labels, notes) for split, found in told}
        splits = {"train": entries_of("train", images_of(source / self.train), labels, notes)} | others
        if self.patch:
            splits = _patched(source, self.patch, splits, notes)
        stated = {synset.wnid: synset.images for synset in kit.synsets} if kit else None
        for split, entries in splits.items():
            counts = Counter(ids[entry.label] for entry in entries)
            notes.append(published.compare(f"ilsvrc{self.year}", split, counts, stated if split == "train" else None))
        used = sorted({entry.file for entries in splits.values() for entry in entries})
        stamp = stamp_of(source / file for file in used)
        classes = [ClassInfo(label, wnid, wnid) for label, wnid in enumerate(ids)]
        return Listing(classes, "wnid", splits, PlaceFetch(source, stamp), content_of(splits), stamp, notes)

    def _with_truth(
        self, source: Path, kit: devkit.Devkit | None, notes: list[str]
    ) -> Iterator[tuple[str, Iterator[Found]]]:
        """The images of val and test with the classes that the devkit and the truth file tell."""
        if not (source / self.val).is_file():
            notes.append(f"{self.val} is not in {source}: val is taken off train")
        else:
            kit = self._needed(kit, source, self.val)
            yield "val", _pair(source / self.val, kit.validation_truth(), kit.where)
        tests = sorted(source.glob(self.test))
        if self.test_truth and not tests:
            notes.append(f"{self.test} is not in {source}: there is no test")
        for test in tests:
            if not self.test_truth:
                notes.append(f"{test.name} has no labels and is left out")
                continue
            truth = source / self.test_truth
            if not truth.is_file():
                raise Failure(f"{source} lacks {truth.name}, which tells the classes of {test.name}: put it there")
            kit = self._needed(kit, source, test.name)
            yield "test", _pair(test, kit.truth(truth.read_bytes(), truth), truth)

    def _needed(self, kit: devkit.Devkit | None, source: Path, images: str) -> devkit.Devkit:
        if kit is None:
            archive = devkit.ARCHIVES[self.year]
            raise Failure(f"{source} lacks {archive}, which tells the classes of {images}: put it there")
        return kit


def wnids_of(path: Path) -> list[str]:
    """The WNIDs whose tars are in a tar, sorted; Failure where there are none."""
    wnids = sorted(member.base.removesuffix(".tar") for member in members(path) if member.name.endswith(".tar"))
    if not wnids or not all(map(devkit.WNID.fullmatch, wnids)):
        raise Failure(f"{path} does not hold a tar for each class, such as n01440764.tar: get it again")
    return wnids


def images_of(path: Path) -> Iterator[Found]:
    """The images in a tar of tars."""
    for tar, files in nested(path):
        wnid = tar.base.removesuffix(".tar")
        for image in files:
            yield Found(wnid, image.base, path.name, image.start, image.length)


def _pair(path: Path, truth: list[str], told_by: Path) -> Iterator[Found]:
    """The images in a tar, sorted by name, each with its class."""
    images = sorted(members(path), key=lambda image: image.base)
    if len(images) != len(truth):
        raise Failure(f"{path} holds {len(images)} images and {told_by} classes for {len(truth)}: get both again")
    for image, wnid in zip(images, truth, strict=True):
        yield Found(wnid, image.base, path.name, image.start, image.length)


def _patched(source: Path, patch: str, splits: dict[str, list[Entry]], notes: list[str]) -> dict[str, list[Entry]]:
    """Put the images of the patch tar in the places of their namesakes."""
    if not (source / patch).is_file():
        notes.append(f"{patch} is not in {source}: the images that it replaces stay blank")
        return splits
    better = {image.base: image for image in members(source / patch)}
    used = set()

    def best(entry: Entry) -> Entry:
        base = entry.name.rpartition("/")[2]
        if base not in better:
            return entry
        used.add(base)
        return entry._replace(file=patch, start=better[base].start, length=better[base].length)

    splits = {split: [best(entry) for entry in entries] for split, entries in splits.items()}
    spare = f", {len(better) - len(used)} of its images fit none" if len(used) < len(better) else ""
    notes.append(f"{patch} replaces {len(used)} images{spare}")
    return splits
