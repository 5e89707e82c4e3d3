"""A small two-column net on small made-up images: fast enough to train again and again in the tests."""

from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = 3
RECIPE = """
dropout = 0.5

[net]
columns = 2
crop = 24
layers = [
  { conv = "conv1", kernels = 8, size = 5, stride = 2, edge = "ceil", std = "he" },
  { relu = "relu1" },
  { lrn = "norm1", n = 5, k = 2.0, alpha = 1e-4, beta = 0.75 },
  { max_pool = "pool1", size = 3, stride = 2 },
  { conv = "conv2", kernels = 12, size = 3, pad = 1, std = "he", bias = 0.1 },
  { relu = "relu2" },
  { exchange = "cross3" },
  { conv = "conv3", kernels = 8, size = 3, pad = 1, std = "he" },
  { relu = "relu3" },
  { exchange = "cross6" },
  { fc = "fc6", units = 32, std = "he", bias = 0.1 },
  { relu = "relu6" },
  { dropout = "drop6" },
  { exchange = "cross7" },
  { fc = "fc8", units = "classes", std = 0.05 },
  { exchange = "cross9" },
  { softmax = "loss" },
]

[augment]
offsets = 8

[train]
batch = 20
epochs = 2
rate = 0.02
patience = 2
checkpoint_steps = 4
"""


def write_images(folder: Path, per_class: int = 30, classes: int = CLASSES) -> Path:
    """Photographs of nothing: each class its own colour and grain, in folders of their own."""
    generator = np.random.default_rng(3)
    for number in range(classes):
        for image in range(per_class):
            base = generator.normal(90 + 40 * number, 30, (8, 8, 3))
            pixels = np.kron(base, np.ones((4, 4, 1))) + generator.normal(0, 10 + 10 * number, (32, 32, 3))
            path = folder / f"class{number}" / f"{image:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
    return folder
