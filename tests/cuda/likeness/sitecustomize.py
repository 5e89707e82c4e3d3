"""Less patience than a real GPU deserves."""

from alexnet.bench import ceilings

ceilings.AGAIN = 1
