"""What the publishers of datasets say of their files: how many images, and which MD5."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from alexnet.console import progress, say
from alexnet.errors import Failure

IMAGES = {
    "ilsvrc2012": {"train": 1_281_167, "val": 50_000},
    "ilsvrc2010": {"train": 1_261_406, "val": 50_000, "test": 150_000},
    "fall2011": {"train": 14_197_122},
    "cifar10": {"train": 50_000, "test": 10_000},
    "tiny": {"train": 100_000, "val": 10_000},
}
CLASSES = {"ilsvrc2012": 1000, "ilsvrc2010": 1000, "fall2011": 21_841, "cifar10": 10, "tiny": 200}
MD5 = {  # the small files first, in whose order they are checked
    "ILSVRC2012_devkit_t12.tar.gz": "fa75699e90414af021442c21a62c3abf",
    "ILSVRC2012_img_val.tar": "29b22e2961454d5413ddabcf34fc5622",
    "ILSVRC2012_img_train.tar": "1d675b47d978889d74fa0da5fadfb00e",
}
PIECE = 4 * 2**20


def compare(dataset: str, split: str, counts: Mapping[str, int], stated: Mapping[str, int] | None = None) -> str:
    """A line on a split's images by class ID against what was published and what the devkit states."""
    classes, images = len(counts), sum(counts.values())
    known = (CLASSES[dataset], IMAGES[dataset][split])
    line = f"{split}: {images} images of {classes} classes"
    line += ", as published" if (classes, images) == known else f" (published: {known[1]} of {known[0]})"
    if stated is None:
        return line
    other = sorted(name for name in set(counts) | set(stated) if counts.get(name, 0) != stated.get(name, 0))
    if not other:
        return f"{line}; each class has the images that the devkit counts"
    first = f"{other[0]} has {counts.get(other[0], 0)} of {stated.get(other[0], 0)}"
    return f"{line}; {len(other)} classes differ from what the devkit counts, the first: {first}"


def check_md5(source: Path) -> None:
    """Read each official file in `source` once and compare its MD5; Failure where one is another."""
    files = [source / name for name in MD5 if (source / name).is_file()]
    if not files:
        raise Failure(f"{source} has no file whose MD5 is known here ({', '.join(MD5)}): leave out --check-md5")
    total = sum(path.stat().st_size for path in files)
    with progress("MD5", total // 10**6, unit="MB") as advance:
        for path in files:
            digest, read, told = hashlib.md5(usedforsecurity=False), 0, 0
            with path.open("rb", buffering=0) as file:
                while piece := file.read(PIECE):
                    digest.update(piece)
                    read += len(piece)
                    advance(read // 10**6 - told, path.name)
                    told = read // 10**6
            if digest.hexdigest() != MD5[path.name]:
                raise Failure(f"{path} has MD5 {digest.hexdigest()}, published is {MD5[path.name]}: get it again")
            say(f"{path.name}: MD5 as published")
