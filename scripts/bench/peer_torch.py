"""The net in PyTorch, for compare_torch.py."""

import gc
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from math import gcd
from typing import Any

import numpy as np
from peers import CHECKED, CLASSES, CROP, SIZE, Floats, drawn


class Torch:
    """The same net in PyTorch, as a user would write it; each action is done in the faster of the two layouts."""

    def __init__(self, batch: int, threads: int, *, compiled: bool, bf16: bool) -> None:
        import torch

        torch.set_num_threads(threads)
        self._torch: Any = torch
        self._batch, self._compiled, self._bf16 = batch, compiled, bf16
        self._layouts = torch.contiguous_format, torch.channels_last
        self._faster: dict[str, Any] = {}
        self._images, self._image = (
            torch.from_numpy(drawn(name, (count, 3, CROP, CROP))) for name, count in (("batch", batch), ("image", 1))
        )
        self._labels = torch.from_numpy(np.random.default_rng(0).integers(CLASSES, size=batch))
        pixels = np.random.default_rng(1).integers(256, size=(batch // gcd(batch, 10), SIZE, SIZE, 3), dtype=np.uint8)
        self._pixels = torch.from_numpy(pixels)
        self._mean = torch.full((3, SIZE, SIZE), 127.5)
        self._lay_out(torch.contiguous_format)

    def _lay_out(self, form: Any) -> None:
        """The model and its optimizer anew, in one layout: the only ones in memory."""
        torch = self._torch
        self._form = self._plain = self._model = self._optimizer = None
        torch.compiler.reset()
        gc.collect()
        model = torch_model()
        with torch.no_grad():
            for name, value in model.named_parameters():
                value.copy_(torch.from_numpy(drawn(name, tuple(value.shape))))
        weights = [value for name, value in model.named_parameters() if name.endswith("weight")]
        biases = [value for name, value in model.named_parameters() if name.endswith("bias")]
        groups = [{"params": weights, "weight_decay": 0.0005}, {"params": biases, "weight_decay": 0.0}]
        self._form, self._plain = form, model.to(memory_format=form)
        # One program for each batch size: what is compiled for any size is slower.
        self._model = torch.compile(model, dynamic=False) if self._compiled else model
        self._optimizer = torch.optim.SGD(groups, lr=0.0001, momentum=0.9)

    def _in_the_faster(self, action: str, act: Callable[[], None]) -> None:
        """At first in each layout, once to warm up (or compile) and once by the clock; then always in the better."""
        if action not in self._faster:
            times = []
            for form in self._layouts:
                self._lay_out(form)
                act()
                start = time.perf_counter()
                act()
                times.append(time.perf_counter() - start)
            self._faster[action] = self._layouts[int(np.argmin(times))]
        if self._form is not self._faster[action]:
            self._lay_out(self._faster[action])
            act()
        act()

    @property
    def note(self) -> str:
        """The actions that are done in channels-last order."""
        return ", ".join(name for name, form in self._faster.items() if form is self._torch.channels_last)

    def _autocast(self) -> AbstractContextManager[Any]:
        found: AbstractContextManager[Any] = self._torch.autocast("cpu", self._torch.bfloat16)
        return found if self._bf16 else nullcontext()

    def step(self) -> None:
        def act() -> None:
            self._model.train()
            self._optimizer.zero_grad()
            with self._autocast():
                found = self._model(self._images.to(memory_format=self._form))
                loss = self._torch.nn.functional.cross_entropy(found, self._labels)
            loss.backward()
            self._optimizer.step()

        self._in_the_faster("step", act)

    def forward(self) -> None:
        self._in_the_faster("forward", lambda: self._probs(self._model, self._images))

    def ten_crop(self) -> None:
        torch, end, middle = self._torch, SIZE - CROP, (SIZE - CROP) // 2

        def act() -> None:
            images = self._pixels.permute(0, 3, 1, 2).float() - self._mean
            places = [(0, 0), (0, end), (end, 0), (end, end), (middle, middle)]
            five = [images[:, :, y : y + CROP, x : x + CROP] for y, x in places]
            views = torch.stack([*five, *(each.flip(3) for each in five)], 1).flatten(0, 1)
            parts = [self._probs(self._model, part) for part in views.split(self._batch)]
            torch.cat(parts).view(len(images), len(places) * 2, CLASSES).mean(1)

        self._in_the_faster("ten_crop", act)

    def single(self) -> None:
        self._in_the_faster("single", lambda: self._probs(self._model, self._image))

    def probs(self) -> Floats:
        """Class probabilities of the images that all programs are checked on, never compiled."""
        images = self._torch.from_numpy(drawn("images", (CHECKED, 3, CROP, CROP)))
        found: Floats = self._probs(self._plain, images).numpy()
        return found

    def _probs(self, model: Any, images: Any) -> Any:
        model.eval()
        with self._torch.inference_mode(), self._autocast():
            return model(images.contiguous(memory_format=self._form)).float().softmax(1)


def torch_model() -> Any:
    """AlexNet of the paper: two columns as groups, responses normalised inside each (sections 3.3 to 3.5)."""
    import torch.nn.functional as F
    from torch import nn

    def normalised(x: Any) -> Any:  # PyTorch divides alpha by the size
        return F.local_response_norm(x, 5, alpha=5e-4, beta=0.75, k=2.0)

    class Columns(nn.Module):
        """Responses normalised inside each column."""

        def forward(self, x: Any) -> Any:
            images, maps, height, width = x.shape
            apart = x.reshape(images * 2, maps // 2, height, width)
            return normalised(apart).reshape(images, maps, height, width)

    class AlexNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(3, 96, 11, 4)
            self.conv2 = nn.Conv2d(96, 256, 5, padding=2, groups=2)
            self.conv3 = nn.Conv2d(256, 384, 3, padding=1)
            self.conv4 = nn.Conv2d(384, 384, 3, padding=1, groups=2)
            self.conv5 = nn.Conv2d(384, 256, 3, padding=1, groups=2)
            self.fc6, self.fc7, self.fc8 = nn.Linear(9216, 4096), nn.Linear(4096, 4096), nn.Linear(4096, CLASSES)
            self.columns = Columns()

        def forward(self, x: Any) -> Any:
            x = F.pad(x, (0, 3, 0, 3))  # 224 -> 55: zeros beyond the right and bottom edge
            x = F.max_pool2d(self.columns(F.relu(self.conv1(x), inplace=True)), 3, 2)
            x = F.max_pool2d(self.columns(F.relu(self.conv2(x), inplace=True)), 3, 2)
            x = F.relu(self.conv4(F.relu(self.conv3(x), inplace=True)), inplace=True)
            x = F.max_pool2d(F.relu(self.conv5(x), inplace=True), 3, 2).flatten(1)
            x = F.dropout(F.relu(self.fc6(x), inplace=True), 0.5, self.training)
            x = F.dropout(F.relu(self.fc7(x), inplace=True), 0.5, self.training)
            return self.fc8(x)

    return AlexNet()
