"""Look-ups by address against a search through all codes."""

import numpy as np
import pytest

from alexnet.errors import Failure
from alexnet.retrieval.addresses import Addresses
from alexnet.retrieval.packing import distances, pack


@pytest.mark.parametrize("radius", [0, 1, 2, 3])
@pytest.mark.parametrize("bits", [5, 12])
def test_within_finds_what_a_search_finds(bits, radius):
    codes = pack(np.random.default_rng(bits).random((300, bits)) < 0.5)
    found = Addresses(codes, bits)
    for query in codes[:10]:
        apart = distances(codes, query[None])[0]
        wanted = [row for row in np.argsort(apart, kind="stable") if apart[row] <= radius]
        assert found.within(int(query[0]), radius).tolist() == wanted


def test_an_empty_neighbourhood_is_empty():
    assert len(Addresses(pack(np.ones((3, 28), bool)), 28).within(0, 2)) == 0


def test_long_codes_are_no_addresses():
    with pytest.raises(Failure, match="64 bits cannot be addresses"):
        Addresses(pack(np.ones((3, 64), bool)), 64)
