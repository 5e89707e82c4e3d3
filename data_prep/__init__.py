"""A folder of images into the shards and statistics that alexnet trains from."""

from data_prep.claim import Part
from data_prep.prepare import Prepared, prepare

__all__ = ["Part", "Prepared", "prepare"]
