"""Where the data of the claims is found, how it is prepared, and what is said where it is not there."""

import zipfile
from pathlib import Path

import pytest
import small

from alexnet.errors import Failure
from alexnet.experiments.sources import KINDS, Missing, Sources


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_missing_is_told_with_how_to_get_it(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Missing, match=f"no {kind}: "):
        Sources(tmp_path / "out").find(kind)


def test_the_first_of_its_usual_names_is_taken_as_images_and_prepared(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for place in ("images/grocery.zip", "data/grocery", "images/grocery", "data/fashion-mnist"):
        (tmp_path / place).mkdir(parents=True)
    found = [str(place) for place in Sources(tmp_path / "out").find("photographs")]
    assert found == ["data/grocery", "images/grocery", "images/grocery.zip"]


def test_data_prepared_at_a_size_serves_that_and_its_images_the_others(workshop, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "cifar10").symlink_to(workshop.data)
    small.write_images(tmp_path / "images" / "cifar10", per_class=4)
    sources = Sources(tmp_path / "out")
    assert sources.dataset("cifar", 32).path == Path("data/cifar10")
    assert sources.dataset("cifar", 24).size == 24


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(Failure, match=r"nowhere: no such folder.*--cifar"):
        Sources(tmp_path, {"cifar": tmp_path / "nowhere"})


def test_prepared_data_of_another_size_is_not_taken(workshop, tmp_path):
    sources = Sources(tmp_path, {"cifar": workshop.data})
    assert sources.dataset("cifar", 32).size == 32
    with pytest.raises(Missing, match="32 pixels wide, 256 are needed"):
        sources.dataset("cifar", 256)


def test_images_in_an_archive_are_prepared_once(tmp_path):
    images = small.write_images(tmp_path / "small", per_class=4)
    with zipfile.ZipFile(tmp_path / "small.zip", "w") as archive:
        for path in images.rglob("*.png"):
            archive.write(path, path.relative_to(tmp_path))
    sources = Sources(tmp_path / "out", {"cifar": tmp_path / "small.zip"})
    first = sources.dataset("cifar", 32)
    assert first.counts == {"train": 9, "val": 3, "test": 0} and len(first.classes) == 3
    assert Sources(tmp_path / "out", {"cifar": tmp_path / "small.zip"}).dataset("cifar", 32).identity == first.identity


def test_an_archive_made_on_windows_or_macos(tmp_path):
    """Folders behind backslashes, and macOS's own beside."""
    images = small.write_images(tmp_path / "small", per_class=2)
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for path in images.rglob("*.png"):
            archive.write(path, "/".join(path.relative_to(tmp_path).parts))
        archive.writestr("__MACOSX/small/._x.png", b"x")
    content = (tmp_path / "set.zip").read_bytes()
    (tmp_path / "set.zip").write_bytes(content.replace(b"small/class", b"small\\class"))
    folder = Sources(tmp_path / "out")._unzipped(tmp_path / "set.zip")
    assert folder.name == "small" and sorted(each.name for each in folder.iterdir()) == ["class0", "class1", "class2"]


@pytest.mark.parametrize(("at", "value", "word"), [(8, b"\x09\0", "method"), (6, b"\x01\0", "password")])
def test_an_archive_that_python_cannot_unpack_is_told(tmp_path, at, value, word):
    """Deflate64, as Windows' Explorer takes for large ones; a password."""
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/0.png", b"x")
    content = bytearray(path.read_bytes())
    for head, shift in ((b"PK\x03\x04", 0), (b"PK\x01\x02", 2)):
        place = content.index(head) + at + shift
        content[place : place + 2] = value
    path.write_bytes(content)
    with pytest.raises(Failure, match=rf"set\.zip: cannot be unpacked \(.*{word}.*\); unpack it by hand"):
        Sources(tmp_path / "out")._unzipped(path)


def test_data_that_cannot_be_used_is_missing_and_tried_once(tmp_path, monkeypatch):
    """It costs its own claims only."""
    tried, unzipped = [], Sources._unzipped
    monkeypatch.setattr(Sources, "_unzipped", lambda self, archive: tried.append(archive) or unzipped(self, archive))
    (tmp_path / "broken.zip").write_bytes(b"PK")
    sources = Sources(tmp_path / "out", {"cifar": tmp_path / "broken.zip"})
    for _ in range(2):
        with pytest.raises(Missing, match=r"broken\.zip: cannot be unpacked"):
            sources.dataset("cifar", 32)
    assert len(tried) == 1
