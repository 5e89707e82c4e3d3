"""Sources that cannot be read here and there are copied out first, and the copy is gone when it has served."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from alexnet.files import writing
from data_prep.plan import ShardPlan
from data_prep.readers import Fetch, Listing


@contextmanager
def fetching(listing: Listing, folder: Path, shards: Sequence[ShardPlan]) -> Iterator[Fetch]:
    """A way to the images of `shards`; what has to be copied for it lies in `folder` until the end."""
    if listing.unpack is None:
        yield listing.fetch
        return
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
    try:
        with writing(folder):
            folder.mkdir()
            fetch = listing.unpack(folder, (entry for shard in shards for entry in shard.entries))
        yield fetch
    finally:
        shutil.rmtree(folder, ignore_errors=True)
