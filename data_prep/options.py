"""What a prep is asked for, checked where it is made."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from alexnet.data.format import SPLITS
from alexnet.errors import Failure

ClassOrder = Literal["wnid", "devkit"]
Limit = int | Mapping[str, int] | None


@dataclass(frozen=True)
class Part:
    """Part `number`, from 1, of `count` parts into which a plan's shards are cut."""

    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @classmethod
    def parse(cls, text: str) -> "Part":
        """The part called "2/8"; Failure where it is none."""
        number, _, count = text.partition("/")
        if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
            raise Failure(f"--part {text}: write which of how many, from 1/N to N/N, such as 2/8")
        return cls(int(number), int(count))

    def span(self, shards: int) -> range:
        """The numbers of its shards among so many."""
        return range(shards * (self.number - 1) // self.count, shards * self.number // self.count)


@dataclass(frozen=True, kw_only=True)
class PrepOptions:
    """How a source becomes a dataset; Failure where an option will not do.

    `size` is the images' side in pixels (section 2); `workers` the processes, None as many as this process may keep
    busy; `seed` of the splits and the order; `val_share` and `test_share` the shares of each class of train that become
    val and test where the source has none, None what its form says; `limit` the images of each class in each split, or
    a number for each split; `form` the name of a reader, None the one that fits; `class_order` of ImageNet's classes,
    None as the form has them; `classes` a file of those to keep, a WNID or name a line; `check_md5` compares official
    files with their published MD5; `max_skipped` is the share of all images that may turn out unreadable; `part` makes
    that part of the shards alone, beside other machines that make theirs.
    """

    size: int = 256
    workers: int | None = None
    seed: int = 0
    val_share: float | None = None
    test_share: float | None = None
    limit: Limit = None
    form: str | None = None
    class_order: ClassOrder | None = None
    classes: Path | None = None
    check_md5: bool = False
    max_skipped: float = 0.05
    part: Part | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.size <= 4096:
            raise Failure(f"--size {self.size} is not a side from 1 to 4096 pixels")
        if self.workers is not None and self.workers < 1:
            raise Failure(f"--workers {self.workers}: at least one process is needed")
        if self.seed < 0:
            raise Failure(f"--seed {self.seed}: give 0 or more")
        for name, share in (("--val-share", self.val_share), ("--test-share", self.test_share)):
            if share is not None and not 0 <= share < 1:
                raise Failure(f"{name} {share}: give a share from 0 to below 1")
        if not 0 <= self.max_skipped <= 1:
            raise Failure(f"--max-skipped {self.max_skipped}: give a share from 0 to 1")
        limits = self.limit if isinstance(self.limit, Mapping) else {"train": 1 if self.limit is None else self.limit}
        if strange := sorted(set(limits) - set(SPLITS)):
            raise Failure(f"--limit names {strange[0]}: the splits are {', '.join(SPLITS)}")
        if any(number < 1 for number in limits.values()):
            raise Failure(f"--limit {self.limit}: at least one image of each class is needed")

    def most(self, split: str) -> int | None:
        """The images of each class to keep in a split; None all of them."""
        return self.limit.get(split) if isinstance(self.limit, Mapping) else self.limit
