"""The whole `alexnet` net against an independent PyTorch model, on photographs."""

import io

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torch_model
from PIL import Image
from samples import photographs

from alexnet.engines.cpu import CpuEngine
from alexnet.links.solo import SoloLink
from alexnet.net.layers import Descent, MaxPooling, Pass
from alexnet.net.net import Net
from alexnet.net.weights import load_safetensors, save_safetensors
from alexnet.recipe import load
from alexnet.recipe.topology import topology

BATCH, STEPS, CLASSES, RATE = 8, 20, 1000, 0.01
PERTURBATION = 1e-7


@pytest.fixture(scope="module")
def shown():
    """Distinct photographs, (STEPS * BATCH, 3, 224, 224) float32, their mean subtracted, and labels."""
    pixels = []
    for content in photographs(STEPS * BATCH):
        image = Image.open(io.BytesIO(content)).convert("RGB").resize((256, 256))
        pixels.append(np.asarray(image, np.float32)[16:240, 16:240].transpose(2, 0, 1))
    images = np.stack(pixels)
    labels = np.random.default_rng(0).integers(CLASSES, size=len(images))
    return images - images.mean(axis=0), labels.astype(np.int32)


@pytest.fixture(scope="module")
def net():
    shapes = topology(load("alexnet").net, CLASSES)
    return Net(shapes, CpuEngine(2), SoloLink(2), BATCH, training=True, plain=True)


@pytest.fixture(scope="module")
def weights(net, tmp_path_factory):
    """The net's first weights, by way of an exported file."""
    net.initialise(7)
    path = tmp_path_factory.mktemp("weights") / "alexnet.safetensors"
    save_safetensors(path, {name: values for name, values, _ in net.arrays()})
    return {name: torch.from_numpy(values.copy()) for name, values in load_safetensors(path).items()}


def forward_backward(net, images, labels):
    values = net.engine.maps(BATCH, 3, 224, 224)
    net.engine.pack(images, values)
    net.labels[:] = labels
    now = Pass(images=BATCH, batch=BATCH, dropout=0.0, training=True)
    net.forward(values, now)
    loss = float(net.losses.mean())
    net.backward(now)
    return loss


def kinks(net: Net) -> torch_model.Kinks:
    """What each ReLU and each pooling of the net chose in its last forward pass."""
    unpacked = {name: net.engine.unpack(blob.value, BATCH) for name, blob in net.outputs.items()}
    choices = {name: values > 0 for name, values in unpacked.items() if name.startswith("relu")}
    pools = [layer for layer in net.layers if isinstance(layer, MaxPooling)]
    choices |= {layer.name: net.engine.unpack(layer.argmax, BATCH) for layer in pools}
    return torch_model.Kinks({name: torch.from_numpy(values) for name, values in choices.items()})


def close(ours: np.ndarray, theirs: torch.Tensor, bound: float) -> None:
    """The largest difference, against the largest value."""
    theirs = theirs.detach().numpy().reshape(ours.shape)
    assert np.abs(ours - theirs).max() <= bound * np.abs(theirs).max()


def test_parameters(net):
    assert sum(each.value.size for each in net.parameters) == 60_965_224


def test_logits_and_every_gradient(net, weights, shown):
    images, labels = shown[0][:BATCH], shown[1][:BATCH]
    net.load({name: value.numpy() for name, value in weights.items()})
    loss = forward_backward(net, images, labels)
    for value in weights.values():
        value.requires_grad_(True)
    theirs = torch_model.logits(weights, torch.from_numpy(images), kinks(net))
    expected = F.cross_entropy(theirs, torch.from_numpy(labels).long())
    gradients = dict(zip(weights, torch.autograd.grad(expected, list(weights.values())), strict=True))
    for value in weights.values():
        value.requires_grad_(False)
    close(net.engine.unpack(net.outputs["fc8"].value, BATCH)[:, :, 0, 0], theirs, 1e-4)
    close(
        net.engine.unpack(net.outputs["fc8"].value, BATCH), torch_model.logits(weights, torch.from_numpy(images)), 1e-4
    )
    assert loss == pytest.approx(float(expected.detach()), rel=1e-4)
    for parameter in net.parameters:
        close(parameter.gradient, gradients[parameter.name], 1e-4)


def test_twenty_steps(net, weights, shown):
    """Losses part by no more than three times what a perturbation of the first weights by 1e-7 does."""
    images, labels = shown
    batches = [
        (torch.from_numpy(images[at : at + BATCH]), torch.from_numpy(labels[at : at + BATCH]).long())
        for at in range(0, len(images), BATCH)
    ]
    net.initialise(7)
    ours = []
    for at in range(0, len(images), BATCH):
        ours.append(forward_backward(net, images[at : at + BATCH], labels[at : at + BATCH]))
        net.update({each.name: Descent(RATE, 0.9, 0.0 if each.is_bias else 0.0005) for each in net.parameters})

    def theirs(perturbed: bool) -> np.ndarray:
        noise = torch.Generator().manual_seed(1)
        first = {name: value.clone().requires_grad_(True) for name, value in weights.items()}
        if perturbed:
            with torch.no_grad():
                for value in first.values():
                    value.mul_(1 + PERTURBATION * torch.randn(value.shape, generator=noise))
        return np.array(torch_model.train(first, batches, RATE))

    straight, perturbed = theirs(False), theirs(True)
    parted, allowed = np.abs(np.array(ours) - straight).max(), 3 * np.abs(perturbed - straight).max()
    assert parted <= allowed, f"parted by {parted:.2e}, allowed {allowed:.2e}"
    assert straight[0] != straight[-1] and np.isfinite(straight).all()
