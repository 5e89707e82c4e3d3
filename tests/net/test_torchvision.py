"""torchvision's weights: the same probabilities here, and back there."""

import shutil

import numpy as np
import pytest
import torch
from command import alexctl
from safetensors.numpy import load_file, save_file
from squares import crop, squares

import alexnet
from alexnet.errors import Failure
from alexnet.net import foreign
from alexnet.recipe import load

CLOSE = 1e-5
CLASSES = 7


@pytest.fixture
def images():
    return squares()


class Torchvision(torch.nn.Module):
    """torchvision's structure and names, written from its documentation."""

    def __init__(self, classes):
        super().__init__()
        n = torch.nn
        relu, pool = n.ReLU, lambda: n.MaxPool2d(3, 2)
        first = [n.Conv2d(3, 64, 11, 4, 2), relu(), pool(), n.Conv2d(64, 192, 5, padding=2), relu(), pool()]
        second = [n.Conv2d(192, 384, 3, padding=1), relu(), n.Conv2d(384, 256, 3, padding=1), relu()]
        self.features = n.Sequential(*first, *second, n.Conv2d(256, 256, 3, padding=1), relu(), pool())
        self.avgpool = n.AdaptiveAvgPool2d((6, 6))
        hidden = [n.Dropout(), n.Linear(9216, 4096), relu(), n.Dropout(), n.Linear(4096, 4096), relu()]
        self.classifier = n.Sequential(*hidden, n.Linear(4096, classes))

    def forward(self, x):
        return self.classifier(self.avgpool(self.features(x)).flatten(1)).softmax(1)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """torchvision's net with random weights, and the run that its state_dict became."""
    folder = tmp_path_factory.mktemp("torchvision")
    torch.manual_seed(3)
    net = Torchvision(CLASSES).eval()
    with torch.no_grad():
        for each in net.parameters():
            each.mul_(2.4 if each.ndim > 1 else 1)  # alive to the last layer, where PyTorch's own would fade
        net.classifier[6].weight.mul_(0.1)  # and no class certain
    save_file({name: values.numpy() for name, values in net.state_dict().items()}, folder / "net.safetensors")
    (folder / "classes.txt").write_text("n00000003 crane\nn00000001 crane\n" + "".join(f"c{n}\n" for n in range(5)))
    alexctl("import", folder / "net.safetensors", folder / "run", "--classes", folder / "classes.txt")
    (folder / "net.safetensors").unlink()
    yield net, folder
    shutil.rmtree(folder)


def test_torchvision_s_probabilities(theirs, images):
    net, folder = theirs
    mean, deviation = (np.array(v)[:, None, None] for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    with torch.no_grad():
        expected = net(torch.tensor((crop(images, 224) / 255 - mean) / deviation, dtype=torch.float32)).numpy()
    run = alexnet.open_run(folder / "run")
    assert run.recipe == load("one-weird-trick")
    assert expected.max() < 0.9 and np.ptp(expected, axis=0).max() > 1e-2, expected
    assert np.abs(run.predict(images, crops="centre") - expected).max() <= CLOSE
    named = [(each.id, each.name) for each in run.classes]
    assert named[:3] == [("n00000003", "crane"), ("n00000001", "crane"), ("c0", "c0")]


def test_torchvision_s_weights_come_back(theirs, tmp_path):
    net, folder = theirs
    alexctl("export", folder / "run", tmp_path / "back.safetensors", "--as", "torchvision")
    back = load_file(tmp_path / "back.safetensors")
    (tmp_path / "back.safetensors").unlink()
    assert back.keys() == net.state_dict().keys()
    for name, values in net.state_dict().items():
        assert np.allclose(back[name], values.numpy(), rtol=3e-7, atol=0), name
    refused = alexctl("export", folder / "run", tmp_path / "b.onnx", "--as", "caffe", code=1)
    assert "another mean than caffe" in refused.stderr


def test_a_pth_is_read_without_running_what_is_in_it(tmp_path, monkeypatch):
    class Hostile:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save({"features.0.weight": Hostile()}, tmp_path / "bad.pth")
    with pytest.raises(Failure, match=r"bad\.pth: not a state_dict"):
        foreign.read(tmp_path / "bad.pth")
    assert not (tmp_path / "ran").exists()
    torch.save({"features.0.weight": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(Failure, match=r"no array named features\.0\.bias"):
        foreign.read(tmp_path / "other.pth")
