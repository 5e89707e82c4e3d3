"""`alexctl` as a command of its own, and what it answers."""

import json
import subprocess
import sys
from subprocess import PIPE
from typing import IO, Any

from alexnet.errors import Failure
from alexnet.machine.launch import die_with_parent

ALEXCTL = (sys.executable, "-P", "-m", "alexnet")  # -P: what lies where the user works is none of our modules


def run(*arguments: str, out: IO[str] | int, err: int | None = None) -> subprocess.CompletedProcess[str]:
    """A command to its end; it ends with this process, however that ends: run again, it finds no one in its way."""
    command = [*ALEXCTL, *arguments]
    return subprocess.run(command, stdout=out, stderr=err, text=True, preexec_fn=die_with_parent, check=False)


def answer(*arguments: str) -> dict[str, Any]:
    """The object that `alexctl ... --json` ends with. Raises Failure with the command's own last line."""
    done = run(*arguments, "--json", out=PIPE, err=PIPE)
    if done.returncode:
        raise Failure((done.stderr.strip().splitlines() or ["it said nothing"])[-1].removeprefix("alexctl: "))
    return dict(json.loads(done.stdout.splitlines()[-1]))
