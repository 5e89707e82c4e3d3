"""What README and docs show: commands, what they print, and lines of Python."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("README.md", "CONTRIBUTING.md", "DIFFERENCES.md", "engine/cuda/README.md")
PAGES = [*(ROOT / name for name in NAMES), *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^(?: {4}.*\n(?:\s*\n(?= {4}))*)+", re.M)
PROGRAMS = "alexctl|python3?|(?:\\./)?scripts/|srun|sbatch|docker|apptainer|git|pip|module|export|source|--set"
COMMAND = re.compile(rf"(?:{PROGRAMS})\S*")
INLINE = re.compile(r"`((?:alexctl |\./scripts/|python scripts/)[^`]*)`")
HINT = re.compile(r"`alexctl ([a-z]+)([^`]*)`")
OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]*")
LINK = re.compile(r"\]\(([^)\s]+)\)")
PYTHON = re.compile(r"import \w+$")
# Numbers, rules, how many processes and threads, and which of two classes is the likelier, differ from run to run.
FREE = re.compile(r"\d[\d,.]*|─+|\bapples\b|\bpears\b|\bprocess(?:es)?\b|\bthreads?\b")


@dataclass(frozen=True)
class Commands:
    """Commands that a page gives together, and the lines that it says they print; none where it says nothing."""

    lines: tuple[str, ...]
    printed: tuple[str, ...] = ()


def commands(page: Path) -> list[Commands]:
    """In the page's order; a block that is none of commands or Python is what those before it print."""
    found: list[Commands] = []
    for text, lines in _parts(page):
        found += [Commands((line,)) for line in INLINE.findall(text.replace("\n", " "))]
        if lines and COMMAND.match(lines[0]):
            found.append(Commands(tuple(lines)))
        elif lines and not PYTHON.match(lines[0]):
            found[-1] = Commands(found[-1].lines, (*found[-1].printed, *lines))
    return found


def python(page: Path) -> list[str]:
    """The blocks of Python."""
    return ["\n".join(lines) for _, lines in _parts(page) if lines and PYTHON.match(lines[0])]


def links(page: Path) -> list[str]:
    """Where the page's links and pictures lead, as they are written."""
    return LINK.findall(page.read_text(encoding="utf-8"))


def _parts(page: Path) -> list[tuple[str, list[str]]]:
    """Running text, each with the lines of the block below it; a command that goes on in the next line is one."""
    text = re.sub(r"\\\n|\n {12,}(?=\[)", " ", page.read_text(encoding="utf-8"))
    found, at = [], 0
    for block in BLOCK.finditer(text):
        found.append((text[at : block.start()], [line[4:] for line in block.group().splitlines() if line.strip()]))
        at = block.end()
    return [*found, (text[at:], [])]


def words(line: str) -> list[str]:
    """A command as the shell takes it, without what is said of it behind two spaces or a #."""
    return shlex.split(re.split(r" {2,}", line)[0], comments=True)


def shape(lines: tuple[str, ...] | list[str]) -> str:
    """Lines as a pattern: their words, any numbers; "…" is what the page leaves out, alone in a line whole lines."""
    rest = {"…": r"(?:.*\n)*"}
    return "".join(rest.get(line.strip()) or _words_of(line).replace("…", r"\S*") + r"\n" for line in lines)


def _words_of(line: str) -> str:
    parts = [FREE.sub("0", word) for word in line.split()]
    return r"\ +".join(re.escape(part).replace("0", f"(?:{FREE.pattern})") for part in parts)


def plain(text: str) -> str:
    """What was printed, without empty lines, indents and the lines that tell now and then how far a long work is."""
    lines = [line.strip() for line in text.splitlines()]
    return "".join(f"{line}\n" for line in lines if line and not re.match(r"[\w: ]+: \d+/\d+ ", line))
