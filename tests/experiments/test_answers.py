"""What `alexctl` answers when an experiment asks it."""

import pytest

from alexnet.errors import Failure
from alexnet.experiments.commands import answer


def test_the_object_that_a_command_ends_with() -> None:
    assert {"alexnet", "python", "engine"} <= set(answer("doctor"))


def test_a_command_that_fails_is_heard(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(Failure, match=r"^\S*nowhere: "):
        answer("runs", str(tmp_path / "nowhere"))
