"""Miniatures of ImageNet in each form in which it is held, of the same images, in the exact formats."""

import csv
import gzip
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
from samples import photographs, write
from scipy.io import savemat

WORDS = {
    "n01440764": "tench, Tinca tinca",
    "n02012849": "crane",
    "n02123045": "tabby, tabby cat",
    "n03126707": "crane",
    "n07747607": "orange",
}
WNIDS = sorted(WORDS)
IDS = dict(zip(WNIDS, (4, 1, 5, 3, 2), strict=True))  # as the devkit numbers them
TRAIN, VAL, TEST = 6, 3, 2  # images of each class

Images = dict[str, bytes]  # "train/n01440764/n01440764_10026.JPEG": the file


def images(year: int = 2012) -> Images:
    """The images of all splits by the names that a folder for each class would give them."""
    supply = iter(photographs(len(WNIDS) * (TRAIN + VAL + TEST)))
    named = {}
    for wnid in WNIDS:
        for number in range(TRAIN):
            named[f"train/{wnid}/{wnid}_{7 * number + 3}.JPEG"] = next(supply)
    for split, each in (("val", VAL), ("test", TEST)):
        for number in range(each * len(WNIDS)):
            wnid = WNIDS[number * 3 % len(WNIDS)]
            named[f"{split}/{wnid}/ILSVRC{year}_{split}_{number + 1:08d}.JPEG"] = next(supply)
    return named


def part(named: Images, split: str) -> Images:
    """One split's images by the names of their files."""
    return {name.split("/")[2]: content for name, content in named.items() if name.startswith(split)}


def truth(named: Images, split: str) -> bytes:
    """The devkit's ID of each image of a split, in the order of the file names, a line each."""
    wnids = {name.split("/")[2]: name.split("/")[1] for name in named if name.startswith(split)}
    return "".join(f"{IDS[wnids[base]]}\n" for base in sorted(wnids)).encode()


def tar(files: Images, form: int = tarfile.GNU_FORMAT, mode: str = "w", folder: str = "") -> bytes:
    """A tar of these files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode, format=form) as archive:
        if folder:
            entry = tarfile.TarInfo(folder)
            entry.type = tarfile.DIRTYPE
            archive.addfile(entry)
        for name, content in files.items():
            entry = tarfile.TarInfo(f"{folder}/{name}" if folder else name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def synset_tars(named: Images, form: int = tarfile.GNU_FORMAT) -> Images:
    """For each class the tar of its images of train, the classes in no order."""
    train = part(named, "train")
    return {
        f"{wnid}.tar": tar({name: content for name, content in train.items() if name.startswith(wnid)}, form)
        for wnid in (*WNIDS[3:], *WNIDS[:3])
    }


def meta_mat(year: int) -> bytes:
    """The devkit's table: the classes, not in the order of their IDs, and synsets above them."""
    fields = ("WNID", "words", "gloss", "num_children", "children", "wordnet_height", "num_train_images")
    rows = [(IDS[wnid], wnid, WORDS[wnid], "a gloss", 0, np.empty(0), 0, TRAIN) for wnid in WNIDS]
    rows += [(6, "n00001740", "entity", "that", 3, np.array([1, 4, 5]), 2, 0)]
    rows += [(7, "n00021265", "food", "that too", 2, np.array([2, 3]), 1, 0)]
    table = np.empty((len(rows), 1), [(name, object) for name in (f"ILSVRC{year}_ID", *fields)])
    for number, row in enumerate(rows):
        table[number, 0] = row
    buffer = io.BytesIO()
    savemat(buffer, {"synsets": table}, do_compression=True)
    return buffer.getvalue()


def devkit_files(named: Images, year: int) -> Images:
    """The devkit's files by their place in it."""
    return {
        "readme.txt": b"Development kit",
        "data/meta.mat": meta_mat(year),
        f"data/ILSVRC{year}_validation_ground_truth.txt": truth(named, "val"),
    }


def folders(root: Path) -> Path:
    """A folder for each class."""
    for name, content in images().items():
        if not name.startswith("test"):
            write(root / name, content)
    return root


def ilsvrc2012(root: Path, form: int = tarfile.GNU_FORMAT) -> Path:
    """The tars of 2012 with the devkit."""
    named = images()
    write(root / "ILSVRC2012_img_train.tar", tar(synset_tars(named, form), form))
    write(root / "ILSVRC2012_img_val.tar", tar(dict(reversed(part(named, "val").items())), form))
    write(root / "ILSVRC2012_img_test_v10102019.tar", tar(part(named, "test"), form, folder="test"))
    kit = tar(devkit_files(named, 2012), mode="w:gz", folder="ILSVRC2012_devkit_t12")
    write(root / "ILSVRC2012_devkit_t12.tar.gz", kit)
    return root


def ilsvrc2010(root: Path) -> Path:
    """The tars of 2010: some images gzipped, some blank and in the patch tar."""
    named = images(2010)
    better, held = {}, {}
    for number, (name, content) in enumerate(named.items()):
        split, _, base = name.split("/")
        if number % 9 == 4:
            better[f"{split}/{base}"], content = content, b""
        held[name] = gzip.compress(content, mtime=0) if number % 7 == 2 else content
    write(root / "ILSVRC2010_images_train.tar", tar(synset_tars(held), folder="train"))
    for split in ("val", "test"):
        write(root / f"ILSVRC2010_images_{split}.tar", tar(part(held, split), folder=split))
    write(root / "patch_images.tar", tar(better, folder="patch_images"))
    write(root / "ILSVRC2010_devkit-1.0.tar.gz", tar(devkit_files(named, 2010), mode="w:gz", folder="devkit-1.0"))
    write(root / "ILSVRC2010_test_ground_truth.txt", truth(named, "test"))
    return root


def synsets(root: Path, whole: bool = False) -> Path:
    """Fall 2009's and 2011's form: a tar for each synset, or all of them in one."""
    tars = synset_tars(images())
    for name, content in {"fall11_whole.tar": tar(tars)}.items() if whole else tars.items():
        write(root / name, content)
    return root


def kaggle(root: Path) -> Path:
    """Kaggle's folders and tables."""
    named, held = images(), root / "ILSVRC" / "Data" / "CLS-LOC"
    rows = []
    for name, content in named.items():
        split, wnid, base = name.split("/")
        write(held / (name if split == "train" else f"{split}/{base}"), content)
        if split == "val":
            rows.append((base.removesuffix(".JPEG"), f"{wnid} 1 2 30 40 {wnid} 5 6 70 80 "))
    with (root / "LOC_val_solution.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("ImageId", "PredictionString"), *reversed(rows)])
    write(root / "LOC_synset_mapping.txt", "".join(f"{wnid} {WORDS[wnid]}\n" for wnid in WNIDS).encode())
    return root


def tiny(root: Path) -> Path:
    """Tiny ImageNet's folders, its boxes, and its table of val."""
    rows = []
    for name, content in images().items():
        split, wnid, base = name.split("/")
        write(root / split / (f"{wnid}/images/{base}" if split == "train" else f"images/{base}"), content)
        if split == "val":
            rows.append(f"{base}\t{wnid}\t0\t32\t44\t62\n")
    for wnid in WNIDS:
        write(root / "train" / wnid / f"{wnid}_boxes.txt", b"n_0.JPEG\t0\t32\t44\t62\n")
    write(root / "val" / "val_annotations.txt", "".join(reversed(rows)).encode())
    write(root / "wnids.txt", "".join(f"{wnid}\n" for wnid in reversed(WNIDS)).encode())
    write(root / "words.txt", "".join(f"{wnid}\t{words}\n" for wnid, words in WORDS.items()).encode())
    return root


def parquet(root: Path, train: str = "train", val: str = "validation", marks: tuple[str, str] = ("", "")) -> Path:
    """Hugging Face's shards: labels by sorted WNID, none for test, the WNID at the end of each path.

    `marks` are what may stand at the end of the names of a split's shards.
    """
    named, rows = images(), dict[str, list[tuple[str, bytes, int]]]()
    for name, content in named.items():
        split, wnid, base = name.split("/")
        path = f"{base.removesuffix('.JPEG')}_{wnid}.JPEG" if split != "test" else base
        rows.setdefault(split, []).append((path, content, WNIDS.index(wnid) if split != "test" else -1))
    for split, prefix in (("train", train), ("val", val), ("test", "test")):
        for number in range(2):
            held = rows[split][::-1][number::2]
            write_table(
                root / "data" / f"{prefix}-{number:05d}-of-00002{marks[number]}.parquet", held, list(WORDS.values())
            )
    return root


def write_table(path: Path, rows: list[tuple[str | None, bytes | None, int | None]], names: list[str]) -> Path:
    """A shard with these paths, images and labels."""
    features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
    image = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    schema = pyarrow.schema([("image", image), ("label", pyarrow.int64())])
    if names:
        schema = schema.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    columns = {
        "image": [None if content is None else {"bytes": content, "path": name} for name, content, _ in rows],
        "label": [label for _, _, label in rows],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.table(columns, schema=schema), path, row_group_size=4)
    return path
