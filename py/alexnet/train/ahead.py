"""Reading ahead in whole blocks, for disks and file systems on which single images are slow to come by."""

from concurrent.futures import Future, ThreadPoolExecutor

from alexnet.data.shards import Split
from alexnet.train.stream import Numbers, Stream, Window


class Ahead:
    """Reads the stream's blocks, a window ahead of its use, into the system's memory of files.

    What is mapped is then there already. The system shares that memory between the processes of a machine, and takes
    it back where it is needed: an image that was read too early is merely read again.
    """

    def __init__(self, split: Split, stream: Stream) -> None:
        self._split, self._stream = split, stream
        self._reader = ThreadPoolExecutor(1, "ahead")
        self._reads: dict[Window, list[Future[None]]] = {}

    def wait(self, positions: Numbers) -> None:
        """Return when the images at these positions have been read; the window after theirs is read meanwhile.

        Raises Failure where a shard cannot be read.
        """
        used = self._stream.windows(positions)
        wanted = [*used, self._stream.after(used[-1])]
        self._reads = {window: self._reads.get(window) or self._begin(window) for window in wanted}
        for window in used:
            for read in self._reads[window]:
                read.result()

    def _begin(self, window: Window) -> list[Future[None]]:
        return [self._reader.submit(self._split.read_ahead, run) for run in self._stream.blocks(window)]

    def close(self) -> None:
        """Give up what is not read yet; who waits for it is told so by an exception."""
        self._reader.shutdown(wait=False, cancel_futures=True)
