"""A folder of images into the shards and statistics that alexnet trains from."""

from data_prep.options import Part, PrepOptions
from data_prep.prepare import Prepared, prepare

__all__ = ["Part", "PrepOptions", "Prepared", "prepare"]
