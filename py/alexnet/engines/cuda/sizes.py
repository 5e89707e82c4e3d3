"""The sizes that kernels and their launches share: this table is told to every compiler of the kernels as defines.

As a program, `sizes.py SOURCES` prints the digest and the defines, for the build; so it imports nothing of the package.
"""

import hashlib
import sys
from pathlib import Path

SIZES = {
    # a block's share of a convolution (tile.cuh)
    "CONV_THREADS": 128,
    "CONV_COLUMNS": 128,
    "CONV_DEPTH_BYTES": 64,  # of one stage's depth
    "CONV_STAGES": 3,
    "CONV_TOGETHER": 4,  # maps of one tap that a thread copies at once
    # rows of the four kinds of tile, and how many blocks registers and shared memory allow on a multiprocessor
    "CONV_LOWEST": 48,
    "CONV_LOWEST_BLOCKS": 4,
    "CONV_LOW": 64,
    "CONV_LOW_BLOCKS": 3,
    "CONV_MIDDLE": 96,
    "CONV_MIDDLE_BLOCKS": 2,
    "CONV_TALL": 128,
    "CONV_TALL_BLOCKS": 2,
    # lrn.cu: how far the window reaches that is walked, the paper's; loads under way; threads of a
    # block, and how many blocks registers allow on a multiprocessor
    "LRN_REACH": 2,
    "LRN_AHEAD": 3,
    "LRN_THREADS": 64,
    "LRN_BLOCKS": 6,
    "SGD_TOGETHER": 20,  # sgd.cu: parameters of a launch; a kernel has 4 KB of arguments
    "LOCAL_ROWS": 4,  # local.cu: kernels or maps of a thread
    # softmax.cu: images of a block, a divisor of 8; threads that share the classes of one
    "SOFTMAX_IMAGES": 8,
    "SOFTMAX_SHARERS": 32,
    # augment.cu: sides of the tile, and threads along its second one
    "AUGMENT_TILE": 32,
    "AUGMENT_ROWS": 8,
}


def defines() -> tuple[str, ...]:
    """Options for any compiler of the kernels."""
    return tuple(f"-D{name}={size}" for name, size in SIZES.items())


def digest(sources: Path) -> str:
    """Names a state of the kernels: the text of all sources, and these sizes."""
    state = hashlib.sha256(" ".join(defines()).encode())
    for file in sorted(sources.glob("*.cu*")):
        state.update(file.read_bytes())
    return state.hexdigest()[:16]


if __name__ == "__main__":
    print(digest(Path(sys.argv[1])), *defines())
