#!/usr/bin/env python3
"""docs/paper.md's table of results, and the headlines of it in README.md, from what `alexctl reproduce` wrote.

python scripts/paper_table.py [reproduction/report.json]

Without a report every claim is there as not run.
"""

import json
import sys
from pathlib import Path

from alexnet.experiments.claims import claims
from alexnet.experiments.page import markdown, summary
from alexnet.experiments.results import unseen

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- of scripts/paper_table.py -->\n", "<!-- end -->\n"


def filled(text: str, lines: list[str]) -> str:
    """`text` with these lines between its marks."""
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + "\n".join(lines) + "\n" + END + rest.partition(END)[2]


def main() -> None:
    """Fill both in."""
    if len(sys.argv) > 1:
        report = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    else:
        report = {"scale": "quick", "time": "", "claims": [unseen(claim, "quick") for claim in claims()]}
    for path, lines in (("docs/paper.md", [*markdown(report)]), ("README.md", [*summary(report, claims())])):
        file = ROOT / path
        file.write_text(filled(file.read_text(encoding="utf-8"), lines), encoding="utf-8")


if __name__ == "__main__":
    main()
