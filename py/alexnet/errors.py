"""The one error that reaches a user: a line that says what, where and what to do."""


class Failure(Exception):
    """A stop with a reason a person can act on; the command line prints it alone and exits with 1."""


def reason(error: BaseException) -> str:
    """One line for any exception: its text, or its type where it has none."""
    text = " ".join(str(error).split())
    return text or type(error).__name__
