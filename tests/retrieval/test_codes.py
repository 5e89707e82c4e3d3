"""Codes of a whole file: made once, gone on with after a stop, refused where others lie."""

from dataclasses import replace

import numpy as np
import pytest

from alexnet.errors import Failure
from alexnet.retrieval import codes, features
from alexnet.retrieval.autoencoder import Training, start, train
from alexnet.retrieval.codes import Coding, build, encoded, enough
from alexnet.retrieval.index import read, read_state
from alexnet.retrieval.packing import pack

TRAINING = Training(epochs=2, batch=30)


def test_an_index_has_the_codes_of_the_trained_net(clouds, tmp_path, monkeypatch):
    monkeypatch.setattr(features, "BLOCK_BYTES", 2 * 32 * 70)  # two blocks
    rows = clouds(count=100)
    build([Coding(rows.path, tmp_path / f"c{bits}.h5", bits, TRAINING, 4) for bits in (5, 9)], 1)
    for bits in (5, 9):
        found = read(tmp_path / f"c{bits}.h5")
        net = train(rows, start(rows, bits, 4), TRAINING, 4)
        assert all((one == other).all() for one, other in zip(net.values, found.net.values, strict=True))
        assert (found.codes == pack(net(rows.all().astype(np.float32)))).all()
        assert (found.labels == rows.labels).all()


def test_what_is_there_is_not_made_again_and_others_are_not_replaced(clouds, tmp_path, monkeypatch):
    rows, out = clouds(count=60), tmp_path / "c.h5"
    job = Coding(rows.path, out, 5, TRAINING, 0)
    codes.code(job)
    monkeypatch.setattr(codes, "train", None)
    codes.code(job)
    others = clouds("g.h5", count=60, seed=1)
    for other in (
        Coding(rows.path, out, 6, TRAINING, 0),
        Coding(rows.path, out, 5, replace(TRAINING, epochs=3), 0),
        Coding(rows.path, out, 5, TRAINING, 1),
        Coding(others.path, out, 5, TRAINING, 0),
    ):
        with pytest.raises(Failure, match=r"c.h5 holds codes of something else: give another --out"):
            codes.code(other)


def test_a_stopped_training_is_gone_on_with_and_ends_the_same(clouds, tmp_path, monkeypatch, capsys):
    rows = clouds(count=100)
    codes.code(Coding(rows.path, tmp_path / "straight.h5", 5, TRAINING, 0))
    monkeypatch.setattr(codes, "KEEP_SECONDS", 0)
    job, told = Coding(rows.path, tmp_path / "c.h5", 5, TRAINING, 0), codes.say

    def killed(line: str) -> None:
        told(line)
        if "epoch 1.2 of 2" in line:
            raise KeyboardInterrupt

    monkeypatch.setattr(codes, "say", killed)
    with pytest.raises(KeyboardInterrupt):
        codes.code(job)
    assert not job.out.exists()
    made = read(tmp_path / "straight.h5").made
    assert read_state(tmp_path / "training-c.h5", made).step == 4
    first = capsys.readouterr().err
    monkeypatch.setattr(codes, "say", told)
    codes.code(job)
    assert "c.h5: epoch 0.3 of 2, loss" in first and "epoch 0.3" not in capsys.readouterr().err
    assert (read(job.out).codes == read(tmp_path / "straight.h5").codes).all()
    assert (read(job.out).net.weights[5] == read(tmp_path / "straight.h5").net.weights[5]).all()
    assert not (tmp_path / "training-c.h5").exists()


def test_a_loss_that_is_no_number_ends_it(clouds, tmp_path, monkeypatch):
    def lost(features, state, training, seed, listen):
        listen(1, float("nan"))

    monkeypatch.setattr(codes, "train", lost)
    with pytest.raises(Failure, match="the autoencoder of 5 bits diverged"):
        codes.code(Coding(clouds(count=60).path, tmp_path / "c.h5", 5, TRAINING, 0))


def test_several_encoders_share_one_pass(clouds):
    rows = clouds(count=60)
    one, other = start(rows, 3).net, start(rows, 70).net
    first, second = encoded(rows, [one, other])
    values = rows.all().astype(np.float32)
    assert (first == pack(one(values))).all() and (second == pack(other(values))).all()


@pytest.mark.parametrize(("count", "epochs"), [(60, 3), (130, 2), (400, 1)])
def test_enough_is_so_many_rows_or_each_once(clouds, monkeypatch, count, epochs):
    monkeypatch.setattr(codes, "SEEN", 200)
    assert enough(clouds(count=count)).epochs == epochs
