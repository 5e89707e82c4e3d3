"""What classes are called, for a net that came without its data."""

import json
import re
from pathlib import Path

from alexnet.data.format import CLASSES, ClassInfo
from alexnet.errors import Failure, reason
from alexnet.texts import decoded

WNID = re.compile(r"(n\d{8})[\s,]+(\S.*)")


def numbered(count: int) -> list[ClassInfo]:
    """Classes that nobody named."""
    return [ClassInfo(index, str(index), f"class {index}") for index in range(count)]


def classes_in(path: Path) -> list[ClassInfo]:
    """The classes of prepared data, or of a file with one per line: its name, or its WNID and its name.

    Raises Failure where the file cannot be read, or two lines are the same class.
    """
    file = path / CLASSES if path.is_dir() else path
    try:
        text = decoded(file.read_bytes())
        if file.suffix == ".json":
            return [ClassInfo(**each) for each in json.loads(text)]
    except (OSError, ValueError, TypeError) as error:
        raise Failure(f"{file}: cannot be read as classes ({reason(error)}); write a class per line") from error
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    pairs = [found.groups() if (found := WNID.fullmatch(line)) else (line, line) for line in lines]
    if len({key for key, _ in pairs}) < len(pairs):
        raise Failure(f"{file}: a line is there twice; write each class once, or its WNID before its name")
    return [ClassInfo(index, key, name) for index, (key, name) in enumerate(pairs)]
