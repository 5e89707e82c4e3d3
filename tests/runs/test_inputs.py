"""What a run keeps of its data: whole after writing, and any damage is told."""

import h5py
import numpy as np
import pytest

from alexnet.data.format import ClassInfo
from alexnet.errors import Failure
from alexnet.runs.inputs import NAME, Inputs, read, write

ARRAYS = ("mean", "pca/eigenvalues", "pca/eigenvectors", "classes")


@pytest.fixture
def inputs():
    random = np.random.default_rng(0)
    mean = random.uniform(0, 255, (8, 8, 3)).astype(np.float32)
    classes = (ClassInfo(0, "n01", "crane"), ClassInfo(1, "n02", "crane"))
    return Inputs(mean, random.uniform(0, 9, 3), random.standard_normal((3, 3)), classes, "abc")


def test_what_is_written_is_what_is_read(tmp_path, inputs):
    assert read(tmp_path) is None
    write(tmp_path, inputs)
    found = read(tmp_path)
    for name in ("mean", "eigenvalues", "eigenvectors"):
        assert np.array_equal(getattr(found, name), getattr(inputs, name)), name
    assert (found.classes, found.identity, found.size) == (inputs.classes, "abc", 8)


@pytest.mark.parametrize("name", ARRAYS)
def test_a_changed_value_is_told(tmp_path, inputs, name):
    """One that HDF5 itself reads without complaint."""
    write(tmp_path, inputs)
    with h5py.File(tmp_path / NAME, "r+") as file:
        values = file[name][...]
        values.flat[0] += 1
        file[name][...] = values
    with pytest.raises(Failure, match=rf"input\.h5: damaged \(the checksum of {name} does not agree"):
        read(tmp_path)


def test_a_later_version_is_not_taken_for_damage(tmp_path, inputs):
    write(tmp_path, inputs)
    with h5py.File(tmp_path / NAME, "r+") as file:
        file.attrs["format"] = "alexnet-input-2"
    with pytest.raises(Failure, match=r"input\.h5: is of a later version; install a newer alexctl"):
        read(tmp_path)


def test_what_the_system_withholds_is_not_taken_for_damage(tmp_path):
    (tmp_path / NAME).mkdir()
    with pytest.raises(Failure, match=r"input\.h5: cannot be read \(Is a directory\)"):
        read(tmp_path)
