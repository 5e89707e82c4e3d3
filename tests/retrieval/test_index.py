"""Files of codes and of trainings under way: what is written is read, damage is told, other trainings are not taken."""

import os
import subprocess
import sys

import h5py
import numpy as np
import pytest
from filesystem import without

from alexnet.errors import Failure
from alexnet.retrieval.autoencoder import start
from alexnet.retrieval.codes import encoded
from alexnet.retrieval.index import Index, read, read_state, save, save_state


@pytest.fixture
def index(clouds) -> Index:
    features = clouds(count=90)
    net = start(features, 70, 3).net
    return Index(net, *encoded(features, [net]), labels=features.labels, made="so")


def test_what_is_written_is_read(index, tmp_path):
    save(tmp_path / "c.h5", index)
    found = read(tmp_path / "c.h5")
    assert found.made == "so" and found.net.scale == index.net.scale
    for one, other in zip((index.net.mean, *index.net.values), (found.net.mean, *found.net.values), strict=True):
        assert one.dtype == other.dtype and (one == other).all()
    assert (found.codes == index.codes).all() and (found.labels == index.labels).all()


def test_a_search_is_that_of_bits_counted_one_by_one(index, clouds):
    queries = clouds("q.h5", count=7, seed=1).all().astype(np.float32)
    rows = clouds(count=90).all().astype(np.float32)
    bits, own = index.net(rows), index.net(queries)
    wanted = []
    for query in own:
        apart = [sum(a != b for a, b in zip(query, row, strict=True)) for row in bits]
        wanted.append(sorted(range(90), key=lambda row, apart=apart: (apart[row], row))[:20])
    assert index.search(queries, 20).tolist() == wanted


def test_a_training_under_way_is_read_by_itself_alone(clouds, tmp_path):
    state = start(clouds(count=50), 4)
    state.step, state.first[2][:] = 7, 0.5
    state.second[-1][:] = 0.25
    save_state(tmp_path / "s.h5", state, "mine")
    found = read_state(tmp_path / "s.h5", "mine")
    assert found is not None and found.step == 7
    pairs = [*zip(state.first, found.first, strict=True), *zip(state.second, found.second, strict=True)]
    assert all((one == other).all() for one, other in pairs)
    assert read_state(tmp_path / "s.h5", "another's") is None
    assert read_state(tmp_path / "none.h5", "mine") is None
    (tmp_path / "s.h5").write_bytes((tmp_path / "s.h5").read_bytes()[:5000])
    assert read_state(tmp_path / "s.h5", "mine") is None


def test_what_is_no_index_is_refused_in_one_line(index, tmp_path):
    path = tmp_path / "c.h5"
    path.write_text("no")
    with pytest.raises(Failure, match=r"c.h5 is not a file of codes, or is damaged .*delete it"):
        read(path)
    save(path, index)
    with h5py.File(path, "r+") as file:
        file["codes"][3] ^= 1
    with pytest.raises(Failure, match="the checksum of codes does not agree"):
        read(path)
    with h5py.File(path, "r+") as file:
        file.attrs["version"] = 9
    with pytest.raises(Failure, match="not of this alexctl"):
        read(path)
    with pytest.raises(Failure, match="cannot be written"):
        save(tmp_path / "none" / "c.h5", index)


def test_what_the_system_withholds_is_not_taken_for_damage(tmp_path):
    """Else a training under way would begin anew."""
    for reads in (read, lambda path: read_state(path, "mine")):
        with pytest.raises(
            Failure, match=r"cannot be read \(Is a directory\): fix that and run the same command again$"
        ):
            reads(tmp_path)


def test_on_a_file_system_without_locks(clouds, tmp_path):
    program = f"""
from pathlib import Path
from alexnet.retrieval.autoencoder import start
from alexnet.retrieval.features import Features
from alexnet.retrieval.index import Index, read, read_state, save, save_state
state, folder = start(Features(Path({str(clouds(count=50).path)!r})), 4), Path({str(tmp_path)!r})
save_state(folder / "s.h5", state, "mine")
save(folder / "c.h5", Index(state.net, state.net.mean.astype("uint64")[:, None], state.net.mean.astype("int32"), "so"))
print(read_state(folder / "s.h5", "mine").step, read(folder / "c.h5").made)
"""
    environment = os.environ | {"LD_PRELOAD": without("NO_LOCKS", tmp_path)}
    environment.pop("HDF5_USE_FILE_LOCKING", None)
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.stdout == "0 so\n", done.stderr
