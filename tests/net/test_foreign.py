"""Nets of other programs as ONNX files, such as Caffe's: the same probabilities here, and back there."""

import json
import shutil

import numpy as np
import onnx
import onnxruntime
import pytest
import small
from command import alexctl
from onnx import TensorProto, helper, numpy_helper
from squares import crop, squares

import alexnet
import alexnet.runs.checkpoint
from alexnet.errors import Failure
from alexnet.net import foreign
from alexnet.recipe import load
from alexnet.recipe.spec import Apart
from alexnet.recipe.topology import topology

CLOSE = 1e-5
SIDE, CLASSES = 67, 7


@pytest.fixture
def images():
    return squares()


def caffe_net(path, *, change=lambda nodes: None, ratio=0.5):
    """bvlc_alexnet's operators in the zoo's order, narrower and of smaller images, with random weights."""
    rng = np.random.default_rng(5)
    stored, nodes, value = {}, [], "data_0"

    def add(kind, output, *more, **settings):
        nonlocal value
        nodes.append(helper.make_node(kind, [value, *more], [output], name=output, **settings))
        value = output

    def weights(name, *shape, bias=0.2):
        fan_in = np.prod(shape[1:])
        stored[f"{name}_w"] = (rng.normal(size=shape) * np.sqrt(2 / fan_in)).astype(np.float32)
        stored[f"{name}_b"] = (rng.normal(size=shape[0]) * bias).astype(np.float32)
        return f"{name}_w", f"{name}_b"

    def conv(number, *shape, **settings):
        window = {"kernel_shape": shape[2:], **settings}
        add("Conv", f"conv{number}_1", *weights(f"conv{number}", *shape), **window)
        add("Relu", f"conv{number}_2")

    def pool(number):
        add("MaxPool", f"pool{number}_1", kernel_shape=[3, 3], strides=[2, 2], pads=[0, 0, 1, 1])

    def norm(number):
        add("LRN", f"norm{number}_1", size=5, alpha=0.01, beta=0.75, bias=1.0)

    conv(1, 16, 3, 11, 11, strides=[4, 4], pads=[0] * 4)
    norm(1), pool(1)
    conv(2, 24, 8, 5, 5, pads=[2] * 4, group=2)
    norm(2), pool(2)
    conv(3, 32, 24, 3, 3, pads=[1] * 4)
    conv(4, 32, 16, 3, 3, pads=[1] * 4, group=2)
    conv(5, 24, 16, 3, 3, pads=[1] * 4, group=2)
    pool(5)
    stored["shape"], stored["ratio"] = np.array([-1, 24]), np.array(ratio, np.float32)
    add("Reshape", "flat", "shape")
    for number, units, seen in ((6, 40, 24), (7, 40, 40)):
        add("Gemm", f"fc{number}_1", *weights(f"fc{number}", units, seen), transB=1)
        add("Relu", f"fc{number}_2")
        add("Dropout", f"fc{number}_3", "ratio")
    stored["fc8_w"], stored["fc8_b"] = (
        rng.normal(size=(40, CLASSES)).astype("f") * 0.1,
        np.linspace(0.1, 0.3, CLASSES, dtype="f"),
    )
    add("Gemm", "fc8_1", "fc8_w", "fc8_b")
    add("Softmax", "prob_1", axis=1)
    change(nodes)
    image = helper.make_tensor_value_info("data_0", TensorProto.FLOAT, ["N", 3, SIDE, SIDE])
    probs = helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, ["N", CLASSES])
    tensors = [numpy_helper.from_array(values, name) for name, values in stored.items()]
    graph = helper.make_graph(nodes, "bvlc", [image], [probs], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def plain_net(path, side):
    """A convolution and a softmax on images of any side."""
    rng = np.random.default_rng(6)
    maps = (side - 11) // 16 + 1
    shapes = {"w1": (4, 3, 11, 11), "b1": (4,), "w2": (CLASSES, 4 * maps**2), "b2": (CLASSES,)}
    tensors = [numpy_helper.from_array((0.01 * rng.normal(size=of)).astype("f"), name) for name, of in shapes.items()]
    nodes = [
        helper.make_node("Conv", ["data_0", "w1", "b1"], ["conv"], kernel_shape=[11, 11], strides=[16, 16]),
        helper.make_node("Flatten", ["conv"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w2", "b2"], ["fc"], transB=1),
        helper.make_node("Softmax", ["fc"], ["prob_1"], axis=1),
    ]
    image = helper.make_tensor_value_info("data_0", TensorProto.FLOAT, ["N", 3, side, side])
    probs = helper.make_tensor_value_info("prob_1", TensorProto.FLOAT, ["N", CLASSES])
    graph = helper.make_graph(nodes, "plain", [image], [probs], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def answers(path, images):
    bgr = crop(images, SIDE)[:, ::-1] - np.array([104.00698793, 116.66876762, 122.67891434])[:, None, None]
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(["prob_1"], {"data_0": bgr.astype(np.float32)})[0]


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zoo")
    path = caffe_net(folder / "bvlc.onnx")
    alexctl("import", path, folder / "run")
    return path, folder / "run"


def test_caffe_s_probabilities(zoo, images):
    path, run = zoo
    expected, opened = answers(path, images), alexnet.open_run(run)
    assert expected.max() < 0.95 and np.ptp(expected, axis=0).max() > 0.05
    assert np.abs(opened.predict(images, crops="centre") - expected).max() <= CLOSE
    assert opened.recipe.net.columns == 2 and opened.classes[3].name == "class 3"
    kinds = [each.kind for each in opened.recipe.net.layers]
    first = ["conv", "relu", "exchange", "lrn", "max_pool", "apart", "conv", "relu", "exchange", "lrn", "max_pool"]
    assert kinds[:11] == first and kinds.count("dropout") == 2


def test_a_net_of_larger_images_than_others_see(tmp_path):
    """Its crops do not fit into 256x256: it is shown images of their own size."""
    path, side = plain_net(tmp_path / "plain.onnx", 300), 300
    alexctl("import", path, tmp_path / "run")
    run = alexnet.open_run(tmp_path / "run")
    seen = np.random.default_rng(7).integers(0, 256, (side, side, 3), np.uint8)
    bgr = seen.transpose(2, 0, 1)[None, ::-1] - np.array([104.00698793, 116.66876762, 122.67891434])[:, None, None]
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (expected,) = session.run(["prob_1"], {"data_0": bgr.astype(np.float32)})
    assert run.size == side and np.abs(run.predict([seen], crops="centre") - expected).max() <= CLOSE


def test_caffe_s_net_comes_back(zoo, images, tmp_path):
    path, run = zoo
    alexctl("export", run, tmp_path / "back.onnx", "--as", "caffe")
    assert np.abs(answers(tmp_path / "back.onnx", images) - answers(path, images)).max() <= CLOSE
    first, again = foreign.read(path), foreign.read(tmp_path / "back.onnx")
    shapes, back = (topology(each.recipe.net, CLASSES).layers for each in (first, again))  # equal but for exact edges
    assert [(each.layer.name, each.output) for each in back] == [(each.layer.name, each.output) for each in shapes]
    assert again.recipe.dropout == first.recipe.dropout == 0.5
    assert all(np.array_equal(again.weights[name], values) for name, values in first.weights.items())
    refused = alexctl("export", run, tmp_path / "b.safetensors", "--as", "torchvision", code=1)
    assert "another mean than torchvision" in refused.stderr


def test_an_imported_run_is_evaluated_and_trained_on(workshop, zoo, tmp_path):
    """On data of as many classes; --init takes what fits another net's layers from the run's folder."""
    for index in range(CLASSES):
        shutil.copytree(workshop.folder / "images" / f"class{index % 3}", tmp_path / "images" / f"c{index}")
    alexctl("prep", tmp_path / "images", "--out", tmp_path / "data", "--limit", 4, "--val-share", 0.25, "--workers", 1)
    alexctl("import", zoo[0], tmp_path / "run", "--classes", tmp_path / "data")
    done = alexctl("eval", tmp_path / "run", "--data", tmp_path / "data", "--json")
    assert json.loads(done.stdout.splitlines()[-1])["images"] == 4 * CLASSES
    assert "is not the dataset that" in done.stderr
    again = tmp_path / "again"
    recipe = ("--recipe", tmp_path / "run" / "recipe.toml", "--set", "train.batch=14", "--set", "train.rate=0")
    asked = ("train", tmp_path / "data", *recipe, "--init", f"{tmp_path / 'run'}:conv*", "--steps", 1)
    alexctl(*asked, "--procs", 1, "--out", again)
    begun, taken = (alexnet.open_run(path).trained.checkpoint.weights for path in (again, tmp_path / "run"))
    for name, values in begun.items():
        assert np.array_equal(values, taken[name]) == name.startswith("conv"), name
    (line,) = [line for line in alexctl("runs", tmp_path).stdout.splitlines() if line.startswith("run ")][1:]
    assert line.split()[-1] == "finished"
    alexctl("report", tmp_path / "run")
    assert "already holds a run" in alexctl("import", zoo[0], tmp_path / "run", code=1).stderr
    few = tmp_path / "few.txt"
    few.write_text("one\ntwo\n")
    assert "names 2 classes" in alexctl("import", zoo[0], tmp_path / "new", "--classes", few, code=1).stderr


def test_columns_that_part_compute_the_same_in_two_processes(workshop, tmp_path):
    """One step of training: every gradient, with the maps of both columns normalised together."""
    text = small.RECIPE.replace('  { lrn = "norm1"', '  { exchange = "cross1" },\n  { lrn = "norm1"')
    text = text.replace('  { conv = "conv2"', '  { apart = "apart2" },\n  { conv = "conv2"')
    (tmp_path / "apart.toml").write_text(text)
    assert any(isinstance(each, Apart) for each in load(tmp_path / "apart.toml").net.layers)
    momenta = []
    for processes in (1, 2):
        run = tmp_path / str(processes)
        recipe = ("--recipe", tmp_path / "apart.toml", "--threads", 1)
        workshop.alexctl("train", workshop.data, *recipe, "--procs", processes, "--out", run, "--steps", 1)
        momenta.append(alexnet.runs.checkpoint.read(run / "checkpoints" / "step-00000001.h5").momenta)
    for name, values in momenta[0].items():
        assert np.abs(values).max() > 0 and np.abs(momenta[1][name] - values).max() <= 1e-5 * np.abs(values).max(), name


def renamed(kind, new):
    def change(nodes):
        for node in nodes:
            node.op_type = new if node.op_type == kind else node.op_type

    return change


def attribute(output, name, value):
    def change(nodes):
        (node,) = [node for node in nodes if node.output[0] == output]
        kept = [each for each in node.attribute if each.name != name]
        del node.attribute[:]
        node.attribute.extend([*kept, helper.make_attribute(name, value)])

    return change


def without_softmax(nodes):
    nodes.pop()


WRONG = {
    "another layer": (renamed("Relu", "Sigmoid"), r"conv1_2 \(Sigmoid\): this program has no such layer"),
    "dilated": (attribute("conv3_1", "dilations", [2, 2]), "conv3: .*dilation"),
    "not square": (attribute("conv3_1", "strides", [1, 2]), "conv3: its window is not square"),
    "padded at the top": (attribute("pool1_1", "pads", [1, 1, 1, 1]), "pool1: it is padded at the top"),
    "padded more": (attribute("pool1_1", "pads", [0, 0, 2, 2]), "pool1"),
    "scaled": (attribute("fc6_1", "alpha", 2.0), "fc6: its product is scaled"),
    "an even sum": (attribute("norm1_1", "size", 4), "norm1: it runs over 4 maps"),
    "no softmax": (without_softmax, "the last layer must be"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_graph_that_this_program_s_layers_are_not(name, tmp_path):
    change, line = WRONG[name]
    with pytest.raises(Failure, match=line) as caught:
        foreign.read(caffe_net(tmp_path / "net.onnx", change=change))
    assert str(caught.value).startswith(str(tmp_path / "net.onnx")) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("suffix", "line"),
    [(".onnx", "not a whole ONNX file"), (".safetensors", "safetensors"), (".bin", "no net that is known; give torch")],
)
@pytest.mark.parametrize("content", [None, b"", b"\x00" * 64, b"words"])
def test_a_file_that_is_none(suffix, line, content, tmp_path):
    path = tmp_path / f"net{suffix}"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Failure, match="no such file; give torch" if content is None else line) as caught:
        foreign.read(path)
    assert "\n" not in str(caught.value)
