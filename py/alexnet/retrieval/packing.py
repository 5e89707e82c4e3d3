"""Binary codes as words of 64 bits, and the search among them by Hamming distance."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.bool_]
Words = NDArray[np.uint64]

WORD = 64
TOGETHER = 8  # queries whose distances to all codes are in memory at once


def pack(bits: Bits) -> Words:
    """(n, words): codes (n, b), the first bit the lowest of the first word, filled up with 0."""
    padded = np.zeros((len(bits), -(-bits.shape[1] // WORD) * WORD), np.bool_)
    padded[:, : bits.shape[1]] = bits
    return np.packbits(padded, axis=1, bitorder="little").view("<u8").astype(np.uint64)


def unpack(words: Words, bits: int) -> Bits:
    """(n, bits): what was packed."""
    flat = np.unpackbits(words.astype("<u8").view(np.uint8), axis=1, bitorder="little")
    return flat[:, :bits].astype(np.bool_)


def distances(codes: Words, queries: Words) -> NDArray[np.uint16]:
    """(q, n): in how many bits each query (q, words) differs from each code (n, words)."""
    found = np.zeros((len(queries), len(codes)), np.uint16)
    for word in range(codes.shape[1]):
        found += np.bitwise_count(queries[:, word, None] ^ codes[None, :, word])
    return found


def ranked(codes: Words, queries: Words) -> Iterator[NDArray[np.intp]]:
    """For some queries at a time all codes' numbers (q, n), nearest first, of equal ones the lower number."""
    for at in range(0, len(queries), TOGETHER):
        yield np.argsort(distances(codes, queries[at : at + TOGETHER]), axis=1, kind="stable")


def nearest(codes: Words, query: Words, k: int) -> NDArray[np.intp]:
    """(k): the codes nearest to one query (words), nearest first, of equal ones the lower number.

    The k-th smallest distance is found by counting; only codes within it are put in order.
    """
    apart = distances(codes, query[None])[0]
    radius = int(np.searchsorted(np.cumsum(np.bincount(apart)), k))
    within = np.flatnonzero(apart <= radius)
    return within[np.argsort(apart[within], kind="stable")][:k]
