"""A training step of the same net in PyTorch on the same GPU, for comparison; one JSON object.

`python scripts/gpu_torch.py [--batch 128] [--precision bf16|tf32|fp32]`: cuDNN, channels_last, torch.compile; images/s
over forward, backward and update, the median of 20 steps after 10.
"""

import argparse
import json
import statistics
from typing import Any

import torch
from torch import nn


def net() -> nn.Sequential:
    """Both columns on one GPU: conv2, 4 and 5 in two groups (paper, 3.5); LRN and pooling as the paper's."""

    def conv(maps: int, kernels: int, size: int, **at: Any) -> list[nn.Module]:
        return [nn.Conv2d(maps, kernels, size, **at), nn.ReLU(inplace=True)]

    def normed() -> list[nn.Module]:
        return [nn.LocalResponseNorm(5, 5e-4, 0.75, 2.0), nn.MaxPool2d(3, 2)]

    return nn.Sequential(
        nn.ZeroPad2d((0, 3, 0, 3)),
        *conv(3, 96, 11, stride=4),
        *normed(),
        *conv(96, 256, 5, padding=2, groups=2),
        *normed(),
        *conv(256, 384, 3, padding=1),
        *conv(384, 384, 3, padding=1, groups=2),
        *conv(384, 256, 3, padding=1, groups=2),
        nn.MaxPool2d(3, 2),
        nn.Flatten(),
        nn.Linear(9216, 4096),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Linear(4096, 4096),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Linear(4096, 1000),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--precision", choices=["fp32", "tf32", "bf16"], default="bf16")
    asked = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = asked.precision != "fp32"
    torch.backends.cudnn.benchmark = True
    model = net().cuda().to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4, fused=True)
    images = torch.randn(asked.batch, 3, 224, 224, device="cuda").to(memory_format=torch.channels_last)
    labels = torch.randint(0, 1000, (asked.batch,), device="cuda")
    compiled = torch.compile(model, mode="max-autotune")

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cuda", torch.bfloat16, enabled=asked.precision == "bf16"):
            loss = nn.functional.cross_entropy(compiled(images), labels)
        loss.backward()
        optimizer.step()

    times = []
    for index in range(30):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        step()
        end.record()
        end.synchronize()
        if index >= 10:
            times.append(begin.elapsed_time(end) / 1000)
    seconds = statistics.median(times)
    report = {"device": torch.cuda.get_device_name(), "torch": torch.__version__, "precision": asked.precision}
    print(json.dumps(report | {"batch": asked.batch, "step_s": seconds, "images_per_s": asked.batch / seconds}))


if __name__ == "__main__":
    main()
