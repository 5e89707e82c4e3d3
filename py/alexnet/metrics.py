"""Counting misses: what every error rate here is made of."""

import numpy as np
from numpy.typing import NDArray


def missed(probs: NDArray[np.float32], labels: NDArray[np.int32], k: int) -> NDArray[np.bool_]:
    """(n): which images do not have their label among the k most probable classes; ties go to the lower class."""
    own = np.take_along_axis(probs, labels[:, None], 1)
    ties = (probs == own) & (np.arange(probs.shape[1]) < labels[:, None])
    ahead = ~(probs <= own) | ties  # of NaN all others are ahead
    found: NDArray[np.bool_] = ahead.sum(axis=1) >= k
    return found


def misses(probs: NDArray[np.float32], labels: NDArray[np.int32], k: int) -> int:
    """How many images those are."""
    return int(missed(probs, labels, k).sum())


def class_error(probs: NDArray[np.float32], labels: NDArray[np.int32]) -> float:
    """The mean over the classes of the share of their images that are missed: classes of few images count as much."""
    counts = np.bincount(labels)
    wrong = np.bincount(labels, missed(probs, labels, 1))
    return float((wrong[counts > 0] / counts[counts > 0]).mean())
