"""The one error that reaches a user: a line that says what, where and what to do."""

STOPPED = 75  # exit code: a signal ended the work, and what was done is kept


class Failure(Exception):
    """A stop with a reason a person can act on; the command line prints it alone and exits with 1."""


def reason(error: BaseException) -> str:
    """One line for any exception: its text, or its type where it has none."""
    text = " ".join(str(error).split())
    return text or type(error).__name__
