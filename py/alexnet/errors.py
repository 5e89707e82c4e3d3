"""The one error that reaches a user: a line that says what, where and what to do."""

import errno
import os
import tempfile
import traceback
from pathlib import Path

STOPPED = 75  # exit code: a signal ended the work, and what was done is kept
NO_FOLDER = "there is a file where a folder is needed: name another place"
ADVICE = {
    errno.EEXIST: NO_FOLDER,
    errno.ENOTDIR: NO_FOLDER,
    errno.EACCES: "fix its permissions or name another place",
    errno.EROFS: "name another place",
    errno.ENOSPC: "make room and run it again",
}
NONSENSE_ASKED = {errno.EINVAL, errno.EOVERFLOW, errno.EFBIG}  # of the system, at a damaged file's word
DEBUG = "ALEXNET_DEBUG"  # set to 1: the traceback of an unforeseen error goes to the screen


class Failure(Exception):
    """A stop with a reason a person can act on; the command line prints it alone and exits with 1."""


def reason(error: BaseException) -> str:
    """One line for any exception: its text, or its type where it has none."""
    text = " ".join(str(error).split())
    return text or type(error).__name__


def refused(error: OSError) -> str:
    """What the system refuses, in one line: where, what, what to do."""
    advice = ADVICE.get(error.errno or 0, "fix that and run it again")
    return f"{error.filename or 'system'}: {error.strerror or reason(error)}; {advice}"


def withheld(error: BaseException) -> str:
    """Why the system does not let a file be read, whatever is in it; "" where the file is lost or damaged."""
    number = error.errno if isinstance(error, OSError) else None
    lost = number is None or number in NONSENSE_ASKED or isinstance(error, FileNotFoundError)
    return "" if lost else os.strerror(number or 0)


def unforeseen(error: Exception) -> str:
    """What nobody foresaw, in one line that helps to mend it; its traceback goes to a file that the line names."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    where = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "unknown place"
    what = f"a mistake of this program at {where}: {type(error).__name__}: {reason(error)}"
    whole = "".join(traceback.format_exception(error))
    if os.environ.get(DEBUG) == "1":
        return f"{what}\n{whole}".rstrip()
    try:
        handle, name = tempfile.mkstemp(prefix="alexctl-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(whole)
    except OSError:
        return f"{what}; please report it with what {DEBUG}=1 shows"
    return f"{what}; please report it with {name}"
