"""Files that are whole or absent, and locks that end with the process that holds them."""

import errno
import fcntl
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

from alexnet.errors import Failure, reason

PART = ".part-"  # how the name of a half-written file begins
LOCKS_UNKNOWN = {errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL}  # as Lustre, NFS and FUSE say it
FLOCK = "hhqqi"  # Linux's struct flock: kind, from where, start, length, process
FOLDER_SYNC_UNKNOWN = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF, errno.EACCES}  # as CIFS and others do


def part_of(path: Path) -> Path:
    """A name beside `path` for what is to become it; processes of several machines may share a number, so a new one."""
    return path.with_name(f"{PART}{token_hex(4)}-{path.name}")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; at the end it is synced and takes the name, or is removed on an error."""
    part = part_of(path)
    try:
        yield part
        take_name(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_whole(path: Path, content: str | bytes) -> None:
    """Replace a small file at once; Failure where the disk refuses. Names of files may be any bytes, and stay those."""
    with writing(path), whole_file(path) as part:
        part.write_bytes(content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content)


def take_name(part: Path, path: Path) -> None:
    """Make the file `part` durable and then, at once, `path`."""
    _sync(part, unknown=set())
    part.replace(path)
    _sync(path.parent, FOLDER_SYNC_UNKNOWN)


def _sync(path: Path, unknown: set[int]) -> None:
    try:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno not in unknown:
            raise


def sweep(folder: Path, wanted: Callable[[str], bool] = lambda name: True) -> None:
    """Remove what a kill left half-written in `folder`: all of it, or what was to have a `wanted` name."""
    for part in folder.glob(f"{PART}*"):
        if wanted(part.name.removeprefix(PART).partition("-")[2]):
            part.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the disk refuses into a Failure that names the file."""
    try:
        yield
    except OSError as error:
        raise Failure(
            f"{path} cannot be written ({error.strerror or reason(error)}): "
            "make room or fix that, and run the same command again; what was done is kept"
        ) from None


class Held(Failure):
    """What is needed is held by somebody else."""


@contextmanager
def locked(path: Path, refusal: str, start: int = 0, length: int = 0) -> Iterator[None]:
    """Hold `length` bytes from `start` of a lock file (0: all of it), made where it is absent, until the end.

    Raises Held(refusal) where somebody else holds any of them, in another process or in this one. The lock ends with
    this process, however that ends. Where the file system knows no locks it goes on without.
    """
    with writing(path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            _lock(handle, fcntl.F_OFD_SETLK, fcntl.F_SETLK, start, length)
        except (BlockingIOError, PermissionError):
            raise Held(refusal) from None
        except OSError as error:
            if error.errno not in LOCKS_UNKNOWN:
                raise Failure(
                    f"{path} cannot be locked ({error.strerror}): fix that and run the same command again"
                ) from None
        yield
    finally:
        os.close(handle)


def held(path: Path) -> bool:
    """Whether somebody holds a lock on any part of the file: asked, not tried. False where nobody knows of locks."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        return _lock(handle, fcntl.F_OFD_GETLK, fcntl.F_GETLK) != fcntl.F_UNLCK
    except OSError:
        return False
    finally:
        os.close(handle)


def _lock(handle: int, command: int, older: int, start: int = 0, length: int = 0) -> int:
    """Take a lock, or ask for one that is in the way: the kind that the system tells.

    It belongs to the handle. Where the kernel has only `older` ones, which belong to the process, a lock ends as soon
    as its process closes any handle of the file, such as that of `held`.
    """
    wanted = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, start, length, 0)
    try:
        told = fcntl.fcntl(handle, command, wanted)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        told = fcntl.fcntl(handle, older, wanted)
    return int(struct.unpack(FLOCK, told)[0])
