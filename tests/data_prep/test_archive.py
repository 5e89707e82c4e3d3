"""Tars read by their headers: every dialect of them, and damage of every kind."""

import io
import os
import re
import tarfile
from pathlib import Path

import numpy as np
import official
import pytest
from samples import write

from alexnet.errors import Failure
from data_prep.readers.archive import Member, members, nested


def head(name: bytes, length: bytes, kind: bytes = b"0") -> bytes:
    """A header with any length in it, and a checksum that agrees."""
    block = bytearray(tarfile.TarInfo("x").tobuf(tarfile.USTAR_FORMAT))
    block[: len(name) + 1], block[124:136], block[156:157] = name + b"\0", length.ljust(12, b"\0"), kind
    return summed(block)


def summed(block: bytearray) -> bytes:
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize("dialect", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_long_names_and_folders(tmp_path: Path, dialect: int) -> None:
    deep = "deep/" * (25 if dialect == tarfile.USTAR_FORMAT else 40)
    files = {f"{deep}é{number}.JPEG": bytes([number]) * number * 300 for number in range(5)}
    whole = official.tar(files, dialect, folder="above")
    found = members(write(tmp_path / "x.tar", whole))
    assert {each.name: whole[each.start : each.start + each.length] for each in found} == {
        f"above/{name}": content for name, content in files.items()
    }


@pytest.mark.parametrize("dialect", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_files_of_more_than_eight_gigabytes(tmp_path: Path, dialect: int) -> None:
    entry = tarfile.TarInfo("large")
    entry.size = 9 * 2**30
    with (tmp_path / "x.tar").open("wb") as file:
        file.write(entry.tobuf(dialect))
        file.seek(entry.size, io.SEEK_CUR)
        file.write(bytes(1024))
    (found,) = members(tmp_path / "x.tar")
    assert (found.name, found.length) == ("large", entry.size)


def test_links_and_folders_are_no_files(tmp_path: Path) -> None:
    kinds = b"".join(head(b"x", b"0", bytes([kind])) for kind in b"123456")
    path = write(tmp_path / "x.tar", kinds + head(b"file", b"5") + b"bytes".ljust(512, b"\0") + bytes(1024))
    assert members(path) == [Member("file", 7 * 512, 5)]


def test_a_hard_link_is_the_file_that_it_names(tmp_path: Path) -> None:
    """As GNU tar packs a file that has two names."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo("a/one.JPEG")
        entry.size = 5
        archive.addfile(entry, io.BytesIO(b"bytes"))
        for name, target in (("b/two.JPEG", "a/one.JPEG"), ("b/lost.JPEG", "c/none.JPEG")):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.LNKTYPE, target
            archive.addfile(link)
    found = members(write(tmp_path / "x.tar", buffer.getvalue()))
    assert found == [Member("a/one.JPEG", 512, 5), Member("b/two.JPEG", 512, 5)]


def test_paths_that_lead_away_are_names_and_no_more(tmp_path: Path) -> None:
    files = {"/etc/passwd.JPEG": b"a", "../../up.JPEG": b"bb", "./here.JPEG": b"ccc", "back\\slash.JPEG": b"dddd"}
    found = members(write(tmp_path / "x.tar", official.tar(files)))
    assert [(each.name, each.length) for each in found] == [(name, len(content)) for name, content in files.items()]
    assert [each.base for each in found] == ["passwd.JPEG", "up.JPEG", "here.JPEG", "back\\slash.JPEG"]


def test_what_systems_put_beside_is_not_listed(tmp_path: Path) -> None:
    files = {"a/._x.JPEG": b"a", "__MACOSX/x.JPEG": b"b", "a/.DS_Store": b"c", "./a/x.JPEG": b"d", ".git/x.JPEG": b"e"}
    assert [each.name for each in members(write(tmp_path / "x.tar", official.tar(files)))] == ["./a/x.JPEG"]


def test_attributes_of_a_hundred_kilobytes(tmp_path: Path) -> None:
    """macOS puts a file's attributes into its pax header."""
    entry = tarfile.TarInfo("x.JPEG")
    entry.size, entry.pax_headers = 3, {"LIBARCHIVE.xattr.com.apple.ResourceFork": "A" * 100_000}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(entry, io.BytesIO(b"abc"))
    (found,) = members(write(tmp_path / "x.tar", buffer.getvalue()))
    assert (found.name, found.length) == ("x.JPEG", 3)


def test_only_the_headers_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What makes 1.28 million images of 138 GB a matter of seconds."""
    path, reads, pread = write(tmp_path / "x.tar", official.tar(official.synset_tars(official.images()))), [], os.pread

    def noted(handle: int, length: int, place: int) -> bytes:
        reads.append(length)
        return pread(handle, length, place)

    monkeypatch.setattr(os, "pread", noted)
    found = list(nested(path))
    headers = len(found) + sum(len(images) for _, images in found)
    assert reads == [512] * (headers + len(found) + 1), "a header for each file, and an end mark for each tar"


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "is cut short"),
        (b"junk" * 300, "is damaged: there is no tar header at byte 0"),
        (head(b"x", b"-7777") + bytes(2048), "is damaged"),
        (head(b"x", b"12a") + bytes(2048), "is damaged"),
        (head(b"x", b"77777777") + bytes(2048), r"is cut short: \d+ bytes are missing after byte 2560"),
        (head(b"x", b"30000000", b"L") + bytes(2**23), "is damaged"),
        (head(b"x", b"12", b"x") + b"9 path=yy\n".ljust(512, b"\0") + bytes(1024), "is damaged"),
        (head(b"x", b"12", b"x") + b"-5 path=yy\n".ljust(512, b"\0") + bytes(1024), "is damaged"),
        (head(b"x", b"0") + bytes(100), "is cut short"),
    ],
)
def test_headers_that_are_none(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(Failure, match=rf"x\.tar {message}"):
        members(write(tmp_path / "x.tar", content))


@pytest.mark.parametrize("dialect", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("sums", ["stale", "agree"])
def test_damaged_headers(tmp_path: Path, dialect: int, sums: str) -> None:
    """A Failure in one line, or files that lie in the tar; with sums that do not agree always the former."""
    tars = {f"{'long' * 30}{name}": content for name, content in official.synset_tars(official.images()).items()}
    path, whole = tmp_path / "x.tar", official.tar(tars, dialect)
    heads = [at for at in range(0, len(whole), 512) if re.match(rb".{257}ustar", whole[at : at + 300], re.DOTALL)]
    draws, failures = np.random.default_rng(dialect), 0
    for _ in range(150):
        damaged, at = bytearray(whole), heads[draws.integers(len(heads))]
        for place in draws.integers(0, 600, draws.integers(1, 6)):
            damaged[at + place] = draws.integers(256)
        if sums == "agree":
            damaged[at : at + 512] = summed(damaged[at : at + 512])
        path.write_bytes(damaged)
        try:
            found = [image for _, images in nested(path) for image in images]
            assert all(0 <= image.length <= len(whole) - image.start for image in found)
        except Failure as failure:
            failures += 1
            assert "\n" not in str(failure) and str(path) in str(failure)
    assert failures > (130 if sums == "stale" else 10)
