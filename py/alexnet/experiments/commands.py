"""`alexctl` as a command of its own, and what it answers."""

import json
import subprocess
import sys
from typing import Any

from alexnet.errors import Failure

ALEXCTL = (sys.executable, "-P", "-m", "alexnet")  # -P: what lies where the user works is none of our modules


def answer(*arguments: str) -> dict[str, Any]:
    """The object that `alexctl ... --json` ends with. Raises Failure with the command's own last line."""
    done = subprocess.run([*ALEXCTL, *arguments, "--json"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure((done.stderr.strip().splitlines() or ["it said nothing"])[-1].removeprefix("alexctl: "))
    return dict(json.loads(done.stdout.splitlines()[-1]))
