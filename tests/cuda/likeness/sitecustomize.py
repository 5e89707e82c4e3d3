"""The driver's list of GPUs on a machine that plays having one; and less patience than a real one deserves."""

from alexnet.bench import ceilings
from alexnet.machine import devices

devices.gpus = lambda: ["Likeness of a GPU"]
ceilings.AGAIN = 1
