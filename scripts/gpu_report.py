"""For gpu_check.sh: `doctor` prints what this machine has; `write OUT` gathers OUT's parts into JSON and Markdown."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from alexnet.machine.cuda import facts
from alexnet.machine.devices import gpus


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
    return {"devices": [asdict(gpu) for gpu in gpus()], "machine": facts(), "parts": parts}


def markdown(report: dict[str, Any]) -> str:
    """The same for a person."""
    lines = [f"# GPU check: {', '.join(device['name'] for device in report['devices'])}", ""]
    lines += ["| part | ended |", "|---|---|"]
    for name, part in report["parts"].items():
        lines.append(f"| {name} | {part['status']}: {part.get('reason') or part['seconds'] + ' s'} |")
    for name, part in report["parts"].items():
        found = part.get("found", {})
        if "images_per_s" in found:
            title = f"{name}: {found['images_per_s']:.0f} images/s in steps of {found['batch']} on {found['device']}"
            lines += ["", f"## {title}", *layers(found), *kernels(found)]
    return "\n".join(lines) + "\n"


def layers(found: dict[str, Any]) -> list[str]:
    """Each layer's time, and its rates beside what the GPU reaches at best; nothing where there are no ceilings."""
    if "ceilings" not in found:
        return []
    top = found["ceilings"]
    lines = ["", "| layer | forward ms | backward ms | TFLOP/s | of the best | GB/s | of the best |"]
    lines.append("|---|---|---|---|---|---|---|")
    for row in found["layers"]:
        rates = f"{row['gflops'] / 1e3:.1f} | {row['gflops'] / top['gflops']:.0%}"
        rates += f" | {row['bytes_per_s'] / 1e9:.0f} | {row['bytes_per_s'] / top['bytes_per_s']:.0%}"
        lines.append(f"| {row['name']} | {row['forward_s'] * 1e3:.3f} | {row['backward_s'] * 1e3:.3f} | {rates} |")
    best = f"{top['gflops'] / 1e3:.0f} TFLOP/s in a large product, {top['bytes_per_s'] / 1e9:.0f} GB/s in a large copy"
    return [*lines, "", f"At best: {best}."]


def kernels(found: dict[str, Any]) -> list[str]:
    """Every kernel of a step, the longest first: its time, what it takes at least, its share of the step."""
    if "kernels" not in found:
        return []
    lines = ["", "| kernel | launches | us | floor us | share of the step |", "|---|---|---|---|---|"]
    for row in sorted(found["kernels"], key=lambda row: -row["seconds"]):
        name, times = f"{row['layer']} `{row['kernel']}`".strip(), (1e6 * row["seconds"], 1e6 * row["floor_s"])
        lines.append(f"| {name} | {row['launches']} | {times[0]:.1f} | {times[1]:.1f} | {row['share']:.1%} |")
    alone = sum(row["share"] for row in found["kernels"])
    return [*lines, "", f"All of them, each by itself: {alone:.0%} of the step."]


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
