#!/usr/bin/env python3
"""Plants faults one at a time, and reports those that no test notices.

    python scripts/mutants.py [WORD ...] [--check] [--minutes M --draw TEXT]

The faults stand in tests/mutants, a file for each room: where a text stands, once, what it becomes, and which tests
have to notice. WORDs choose by room, file or description. Each fault is planted into a copy of the checkout,
build/mutants, so that what you work on is not touched; a C++ fault is built there, for the plainest instruction set.
The test that notices a fault is run again without it: it must pass. --check only looks whether every text is where the
list says; the list has to follow the code. --minutes takes faults from all rooms in turn, in an order drawn from TEXT,
until the time is over. Exits with 1 where a fault was not noticed, with 2 where the list is wrong or a fault could not
be tried.

Needs the project installed (scripts/test.sh makes .venv), and cmake and ninja for the engine.
"""

import argparse
import hashlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import chain, zip_longest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LISTS = ROOT / "tests" / "mutants"
TREE = ROOT / "build" / "mutants" / "tree"
BUILD = ROOT / "build" / "mutants" / "engine"
PATIENCE = 600  # seconds after which tests that hang have noticed


@dataclass(frozen=True)
class Mutant:
    """One fault: in `file` the text `old`, which stands there once, becomes `new`; `tests` are pytest's arguments."""

    room: str
    what: str
    file: str
    old: str
    new: str
    tests: str

    def __str__(self) -> str:
        return f"{self.room}: {self.what}"

    def planted(self, root: Path) -> str:
        """The text with the fault of the file below `root`. Raises ValueError where the list does not fit the code."""
        path = root / self.file
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        if text.count(self.old) != 1 or self.old == self.new:
            raise ValueError(f"{self}: {self.file} has this text {text.count(self.old)} times, not once: {self.old!r}")
        for word in shlex.split(self.tests):
            if word.startswith("tests/") and not (ROOT / word).exists():
                raise ValueError(f"{self}: there is no {word}")
        return text.replace(self.old, self.new)


def listed() -> list[Mutant]:
    """All faults, room by room."""
    found = []
    for path in sorted(LISTS.glob("*.toml")):
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        for each in tables["mutant"]:
            found.append(Mutant(path.stem, **({"tests": tables.get("tests")} | each)))
    return found


def drawn(mutants: list[Mutant], text: str) -> Iterator[Mutant]:
    """The rooms in turn, and each room's faults, in an order that `text` decides."""

    def key(mutant: Mutant) -> str:
        return hashlib.sha256(f"{text} {mutant}".encode()).hexdigest()

    rooms: dict[str, list[Mutant]] = {}
    for mutant in sorted(mutants, key=key):
        rooms.setdefault(mutant.room, []).append(mutant)
    return (each for each in chain.from_iterable(zip_longest(*rooms.values())) if each is not None)


def mirror() -> None:
    """Bring the copy up to the checkout, writing only what differs; the built engine comes from the package in use."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    names = [name for name in names if (ROOT / name).is_file()]
    for path in [path for path in TREE.rglob("*") if path.is_file()]:
        if str(path.relative_to(TREE)) not in names:
            path.unlink()
    for name in names:
        target, content = TREE / name, (ROOT / name).read_bytes()
        if not target.is_file() or target.read_bytes() != content:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)
    spec = find_spec("alexnet")
    if spec is None or spec.origin is None:
        raise SystemExit("mutants.py: the package alexnet is not installed here; run scripts/test.sh once")
    package = Path(spec.origin).parent
    for made in [*package.glob("_engine_*.so"), *package.glob("_built.py")]:
        shutil.copy(made, TREE / "py" / "alexnet")


def environment() -> dict[str, str]:
    """In which the copy is what is imported, and its engine finds the BLAS."""
    import scipy_openblas32

    return os.environ | {
        "PYTHONPATH": os.pathsep.join([str(TREE / "py"), str(TREE)]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LD_LIBRARY_PATH": scipy_openblas32.get_lib_dir(),
    }


def pytest(words: tuple[str, ...]) -> str:
    """What pytest says of the first of these tests that does not pass in the copy; empty where all do.

    Raises ValueError where somebody killed them, which says nothing of them.
    """
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *words]
    try:
        run = subprocess.run(
            command, cwd=TREE, env=environment(), capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return "they did not end"
    if -run.returncode in (signal.SIGKILL, signal.SIGTERM):
        raise ValueError(f"{shlex.join(words)}: killed by signal {-run.returncode}")
    if run.returncode < 0:
        return f"they crashed, by signal {-run.returncode}"
    said = (run.stdout + run.stderr).strip().splitlines() or ["nothing was said"]
    first = next((line for line in said if line.startswith(("FAILED ", "ERROR "))), "\n".join(said[-8:]))
    return first if run.returncode else ""


def build() -> bool:
    """The copy's engine, for the plainest instruction set; false where it does not compile."""
    BUILD.mkdir(parents=True, exist_ok=True)
    configure = ["cmake", "-S", TREE, "-B", BUILD, "-G", "Ninja", f"-DPython_EXECUTABLE={sys.executable}"]
    make = ["cmake", "--build", BUILD, "--target", "_engine_base"]
    for command in ([] if (BUILD / "build.ninja").exists() else [configure]) + [make]:
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode:
            print(run.stdout[-2000:], file=sys.stderr)
            return False
    for module in BUILD.glob("_engine_base*.so"):
        shutil.copy(module, TREE / "py" / "alexnet")
    return True


def noticed(mutant: Mutant) -> str:
    """What the first test says that notices this fault, and passes without it; empty where none does.

    Raises ValueError where the list is wrong.
    """
    target, text = TREE / mutant.file, mutant.planted(TREE)
    compiled, tests = mutant.file.startswith("engine/cpu/"), tuple(shlex.split(mutant.tests))
    kept = target.read_bytes()
    try:
        target.write_text(text, encoding="utf-8")
        if compiled and not build():
            raise ValueError(f"{mutant}: does not compile")
        said = pytest(tests)
    finally:
        target.write_bytes(kept)
    if said:
        if compiled and not build():
            raise ValueError("the engine cannot be built")
        if anyway := pytest(_named(said) or tests):
            raise ValueError(f"{mutant}: its tests fail without it: {anyway}")
    return said


def _named(said: str) -> tuple[str, ...]:
    """The test that a line of pytest's summary names."""
    found = re.match(r"(?:FAILED|ERROR) (\S+::.+?)(?: - |$)", said)
    return (found[1],) if found else ()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", metavar="WORD")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--draw", metavar="TEXT")
    options = parser.parse_args()
    words = options.words
    mutants = [each for each in listed() if not words or any(word in f"{each} {each.file}" for word in words)]
    wrong, survived, tried, start = 0, 0, 0, time.monotonic()
    for mutant in mutants:
        try:
            mutant.planted(ROOT)
        except ValueError as error:
            wrong += 1
            print(f"mutants.py: {error}", file=sys.stderr, flush=True)
    if options.check or wrong:
        print(f"{len(mutants)} faults, {wrong} of them wrong")
        sys.exit(2 if wrong else 0)
    mirror()
    for mutant in drawn(mutants, options.draw) if options.draw else mutants:
        if time.monotonic() - start > 60 * options.minutes:
            break
        tried += 1
        began = time.monotonic()
        try:
            said = noticed(mutant)
        except ValueError as error:
            wrong += 1
            print(f"mutants.py: {error}", file=sys.stderr, flush=True)
            continue
        survived += not said
        spent = time.monotonic() - began
        print(f"{'noticed' if said else 'NOT NOTICED'} {spent:5.1f} s  {mutant}  {said}".rstrip(), flush=True)
    print(f"{tried} of {len(mutants)} faults planted, {survived} not noticed, {wrong} wrong")
    sys.exit(1 if survived else 2 if wrong else 0)


if __name__ == "__main__":
    main()
