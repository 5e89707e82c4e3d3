"""Random numbers by what they are for: Philox 4x32-10 of the key (seed, purpose), from its publication.

Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011), section 3.3.
"""

import zlib

import numpy as np
from numpy.typing import ArrayLike, NDArray

WEIGHTS, ORDER, AUGMENT, DROPOUT = 1, 2, 3, 4
Words = NDArray[np.uint64]
F64 = NDArray[np.float64]
LOW = np.uint64(2**32 - 1)


def words(seed: int, purpose: int, *counter: ArrayLike) -> Words:
    """Four words of 32 bits for each counter of up to four parts, (n, 4); missing parts are 0."""
    parts = np.broadcast_arrays(*(np.asarray(part, np.uint64).ravel() for part in counter), np.zeros(1, np.uint64))
    word = [*parts[: len(counter)], *[np.zeros_like(parts[0])] * (4 - len(counter))]
    keys = [np.uint64(seed), np.uint64(purpose)]
    for _ in range(10):
        even, odd = np.uint64(0xD2511F53) * word[0], np.uint64(0xCD9E8D57) * word[2]
        high = [each >> np.uint64(32) for each in (odd, even)]
        word = [high[0] ^ word[1] ^ keys[0], odd & LOW, high[1] ^ word[3] ^ keys[1], even & LOW]
        keys = [keys[0] + np.uint64(0x9E3779B9) & LOW, keys[1] + np.uint64(0xBB67AE85) & LOW]
    return np.stack(word, axis=1)


def layer(name: str) -> int:
    """A layer's number in counters: the CRC of its name."""
    return zlib.crc32(name.encode())


def box_muller(radii: F64, angles: F64) -> F64:
    """Two normal numbers from two uniform ones in 0..1."""
    radius = np.sqrt(-2 * np.log(radii))
    return np.stack([radius * np.cos(2 * np.pi * angles), radius * np.sin(2 * np.pi * angles)], axis=-1)


def weights(seed: int, name: str, shape: tuple[int, ...]) -> F64:
    """N(0, 1) for a layer's weights: number i is number i % 4 of the block (i // 4, layer)."""
    count = int(np.prod(shape))
    drawn = words(seed, WEIGHTS, np.arange(-(-count // 4)), layer(name)).astype(np.float64)
    pairs = box_muller((drawn[:, ::2] + 1) / 2**32, drawn[:, 1::2] / 2**32)
    return pairs.ravel()[:count].reshape(shape)


def order(seed: int, epoch: int, images: int) -> NDArray[np.int64]:
    """The images of an epoch in the order of use: by 64 bits drawn for each."""
    drawn = words(seed, ORDER, np.arange(images), epoch)
    return np.argsort(drawn[:, 0] << np.uint64(32) | drawn[:, 1], kind="stable")


def colour(seed: int, images: ArrayLike, epochs: ArrayLike) -> F64:
    """Three times N(0, 1) for each image and use (4.1), (n, 3)."""
    drawn = (words(seed, AUGMENT, images, epochs, 1).astype(np.float64) + 0.5) / 2**32
    return box_muller(drawn[:, ::2], drawn[:, 1::2]).reshape(-1, 4)[:, :3]


def kept(rate: float, seed: int, step: int, name: str, images: int, units: int) -> NDArray[np.bool_]:
    """The units that dropout lets pass, (images, units): the word image % 4 of (unit, image // 4, step, layer)."""
    unit, quad = np.meshgrid(np.arange(units), np.arange(-(-images // 4)))
    drawn = words(seed, DROPOUT, unit, quad, step, layer(name)).reshape(len(unit), units, 4)
    return drawn.transpose(0, 2, 1).reshape(-1, units)[:images] >= rate * 2**32
