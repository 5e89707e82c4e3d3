"""What each process owns: together they own each image and each kernel once, also where nothing divides evenly."""

from itertools import chain

import pytest

from alexnet.errors import Failure
from alexnet.links import place


@pytest.mark.parametrize("count", [1, 2, 3, 7, 10, 128, 129])
@pytest.mark.parametrize(("columns", "processes"), [(1, 1), (1, 3), (2, 1), (2, 2), (2, 4), (2, 6), (3, 3), (3, 6)])
def test_every_image_and_every_kernel_has_one_owner(columns: int, processes: int, count: int) -> None:
    places = [place(columns, processes, rank) for rank in range(processes)]
    owners = [each for each in places if each.owned.start == 0]  # a column of each replica
    assert list(chain.from_iterable(each.slice_of(count) for each in owners)) == list(range(count))
    net = [each for each in places if each.replica == 0]
    assert list(chain.from_iterable(each.rows_of(count) for each in net)) == list(range(count))
    assert list(chain.from_iterable(each.owned for each in net)) == list(range(columns))
    sizes = [len(each.slice_of(count)) for each in owners]
    assert max(sizes) - min(sizes) <= 1, "the work is shared evenly"


def test_neighbours_share_a_pair_of_columns() -> None:
    """So that activations stay inside a node and only gradients cross between nodes."""
    assert [(each.replica, each.owned.start) for each in (place(2, 4, rank) for rank in range(4))] == [
        (0, 0),
        (0, 1),
        (1, 0),
        (1, 1),
    ]


@pytest.mark.parametrize(("columns", "processes"), [(2, 3), (3, 2), (2, 5)])
def test_processes_that_cannot_share_a_net_are_told(columns: int, processes: int) -> None:
    with pytest.raises(Failure, match=f"{processes} processes cannot share a net of {columns} columns"):
        place(columns, processes, 0)
