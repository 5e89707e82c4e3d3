"""For gpu_check.sh: `doctor` prints what this machine has; `write OUT` gathers OUT's parts into JSON and Markdown."""

import json
import sys
from pathlib import Path
from typing import Any

from alexnet.engines.cuda.facts import devices, facts


def gathered(out: Path) -> dict[str, Any]:
    """How each part ended, and the JSON object that some print as their last line."""
    parts: dict[str, Any] = {}
    for result in sorted(out.glob("*.result")):
        status, rest = result.read_text(encoding="utf-8").strip().split(maxsplit=1)
        part: dict[str, Any] = {"status": status, "reason" if status == "skipped" else "seconds": rest}
        log = result.with_suffix(".log")
        last = log.read_text(encoding="utf-8").strip().splitlines()[-1:] if log.exists() else []
        if last and last[0].startswith("{"):
            part["found"] = json.loads(last[0])
        parts[result.stem] = part
    return {"devices": devices(), "machine": facts(), "parts": parts}


def markdown(report: dict[str, Any]) -> str:
    """The same for a person."""
    lines = [f"# GPU check: {', '.join(device['name'] for device in report['devices'])}", ""]
    lines += ["| part | ended |", "|---|---|"]
    for name, part in report["parts"].items():
        lines.append(f"| {name} | {part['status']}: {part.get('reason') or part['seconds'] + ' s'} |")
    for name, part in report["parts"].items():
        found = part.get("found", {})
        if "operations" in found:
            top = found["ceilings"]
            lines += ["", f"## {name}: batch {found['batch']} on {found['device']}", ""]
            lines += ["| operation | ms | TFLOP/s | of ceiling | GB/s | of ceiling |", "|---|---|---|---|---|---|"]
            for row in found["operations"]:
                flops, size = row["flops"], row["bytes_per_s"]
                shares = f"{flops / top['flops']:.0%} | {size / 1e9:.0f} | {size / top['bytes_per_s']:.0%}"
                lines.append(f"| {row['name']} | {row['seconds'] * 1e3:.3f} | {flops / 1e12:.1f} | {shares} |")
        elif "images_per_s" in found:
            lines += ["", f"{name}: {found['images_per_s']:.0f} images/s (PyTorch {found['torch']})"]
    return "\n".join(lines) + "\n"


def main() -> None:
    if sys.argv[1] == "doctor":
        print(json.dumps(facts()))
        return
    out = Path(sys.argv[2])
    report = gathered(out)
    (out / "gpu_check.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    (out / "gpu_check.md").write_text(markdown(report), encoding="utf-8")
    print(out / "gpu_check.md")


if __name__ == "__main__":
    main()
