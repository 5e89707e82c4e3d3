"""Training: the loop, the stream of images, the schedule.

`alexnet.train` is this room and also the function of the Python API; importing the room must not hide the function, so
the room is called as the function is.
"""

import sys
from types import ModuleType
from typing import Any

from alexnet import train as _train  # the function: the package gets this room under its name after this


class _Room(ModuleType):
    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return _train(*arguments, **options)


sys.modules[__name__].__class__ = _Room
