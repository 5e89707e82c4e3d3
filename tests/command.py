"""`alexctl` in this process: as a user runs it, but without starting Python and its packages again."""

import contextlib
import io
import signal
import sys
from subprocess import CompletedProcess
from unittest import mock

from alexnet.cli import main


def alexctl(*arguments: object, code: int = 0) -> CompletedProcess[str]:
    """Run a command to its end and insist on its exit code."""
    words, out, err = [str(each) for each in arguments], io.StringIO(), io.StringIO()
    handler, status = signal.getsignal(signal.SIGTERM), 0
    try:
        with (
            mock.patch.object(sys, "argv", ["alexctl", *words]),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            main()
    except SystemExit as ended:
        status = int(ended.code or 0)
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert status == code, f"exit {status}\n{out.getvalue()}\n{err.getvalue()}"
    return CompletedProcess(words, status, out.getvalue(), err.getvalue())
