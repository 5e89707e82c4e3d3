"""Semantic hashing (Salakhutdinov and Hinton 2007): a short code is an address, and what is alike lies nearby.

All addresses within a few bits of a query's are looked up; how long that takes does not depend on how many codes
there are.
"""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from alexnet.errors import Failure
from alexnet.retrieval.packing import Words

LONGEST = 32  # bits: beyond, the addresses within two bits are mostly empty


class Addresses:
    """Codes (n, 1) of at most 32 bits in the order of their addresses."""

    def __init__(self, codes: Words, bits: int) -> None:
        if bits > LONGEST or codes.shape[1] != 1:
            raise Failure(f"codes of {bits} bits cannot be addresses: use codes of at most {LONGEST}")
        self._bits = bits
        self.order: NDArray[np.intp] = np.argsort(codes[:, 0], kind="stable")
        self._sorted = codes[self.order, 0]

    def within(self, query: int, radius: int) -> NDArray[np.intp]:
        """The codes that differ from `query` in at most `radius` bits, nearer ones first, then lower numbers."""
        rings = []
        for flips in range(radius + 1):
            masks = [sum(1 << bit for bit in chosen) for chosen in combinations(range(self._bits), flips)]
            wanted = np.array(masks, np.uint64) ^ np.uint64(query)
            starts = np.searchsorted(self._sorted, wanted, "left")
            ends = np.searchsorted(self._sorted, wanted, "right")
            found = [self.order[start:end] for start, end in zip(starts, ends, strict=True) if end > start]
            rings.append(np.sort(np.concatenate(found)) if found else np.empty(0, np.intp))
        return np.concatenate(rings)
