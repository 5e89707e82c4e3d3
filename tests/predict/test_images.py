"""Which files are taken for the images that a net is asked about."""

import os
from pathlib import Path

import pytest

from alexnet.errors import Failure
from alexnet.predict.images import named, pixels_of


@pytest.fixture
def folder(tmp_path):
    for name in (
        "b/2.PNG",
        "a.jpg",
        "b/1.webp",
        ".hidden/x.png",
        "b/.y.png",
        "notes.txt",
        "z.jpg/inside.bmp",
        "@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg",
    ):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "photos"


def test_a_folder_stands_for_the_images_in_it(folder):
    found = named([Path("first.png"), folder, Path("no suffix")])
    inside = ["a.jpg", "b/1.webp", "b/2.PNG", "z.jpg/inside.bmp"]
    assert found == [Path("first.png"), *(folder / name for name in inside), Path("no suffix")]


def test_a_list_names_an_image_per_line(folder, tmp_path):
    (tmp_path / "list.txt").write_text("x y.jpg\n\nä.png\n", encoding="utf-8")
    assert named([folder / "a.jpg"], [tmp_path / "list.txt"]) == [folder / "a.jpg", Path("x y.jpg"), Path("ä.png")]


def test_a_list_may_name_what_is_no_utf8(tmp_path):
    """As `find` prints it."""
    (tmp_path / "list.txt").write_bytes(b"caf\xe9.png\n")
    assert named([], [tmp_path / "list.txt"]) == [Path(os.fsdecode(b"caf\xe9.png"))]


@pytest.mark.parametrize(
    ("content", "line"), [(None, "as a list"), (b"\n \n", "names no image"), (b"\xff\xd8\xff\0", "as a list")]
)
def test_a_list_that_is_none(tmp_path, content, line):
    if content is not None:
        (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(Failure, match=line):
        named([], [tmp_path / "list.txt"])


def test_a_folder_without_images(tmp_path):
    with pytest.raises(Failure, match="holds no images"):
        named([tmp_path])


def test_a_name_that_no_file_can_have():
    with pytest.raises(Failure, match="null"):
        pixels_of("a\0b.jpg", 32)
