"""Folders: what is read of them, what is not, and what is said of it."""

import errno
import os
import random
import socket
import threading
from pathlib import Path

import pytest
import torch
from PIL import Image
from torchvision.datasets import ImageFolder

import semrsm_widgets as srsm
from semrsm_widgets.images import load_images

PICTURE = Image.new("RGB", (8, 8))


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.save(path)
    return path


# ---- links


def test_links_to_folders_are_followed_as_image_folder_does(tmp_path):
    put(tmp_path / "subset/cat/1.png")
    put(tmp_path / "store/dog/1.png")
    put(tmp_path / "store/dog/old/2.png")
    (tmp_path / "subset/dog").symlink_to(tmp_path / "store/dog", target_is_directory=True)
    images = load_images(tmp_path / "subset")
    assert images.ids == ("cat/1.png", "dog/1.png", "dog/old/2.png")
    expected = [os.path.relpath(path, tmp_path / "subset") for path, _ in ImageFolder(tmp_path / "subset").samples]
    assert list(images.ids) == expected
    assert [sorted(names) for names in images.labels] == [["cat"], ["dog"], ["dog"]]


def test_all_classes_may_be_links_and_the_folder_too(tmp_path):
    for name in ("cat", "dog"):
        put(tmp_path / f"store/{name}/1.png")
        (tmp_path / "subset").mkdir(exist_ok=True)
        (tmp_path / f"subset/{name}").symlink_to(tmp_path / f"store/{name}")
    (tmp_path / "chosen").symlink_to(tmp_path / "subset")
    assert load_images(tmp_path / "chosen").ids == ("cat/1.png", "dog/1.png")


def test_one_folder_that_is_linked_twice_is_read_twice(tmp_path):
    put(tmp_path / "store/1.png")
    (tmp_path / "set").mkdir()
    for name in ("a", "b"):
        (tmp_path / "set" / name).symlink_to(tmp_path / "store")
    assert load_images(tmp_path / "set").ids == ("a/1.png", "b/1.png")


def test_loops_are_named_and_not_followed(tmp_path):
    put(tmp_path / "set/cat/1.png")
    put(tmp_path / "other/2.png")
    (tmp_path / "set/cat/back").symlink_to(tmp_path / "set")
    (tmp_path / "set/cat/itself").symlink_to(tmp_path / "set/cat")
    (tmp_path / "set/away").symlink_to(tmp_path / "other")
    (tmp_path / "other/again").symlink_to(tmp_path / "set")  # a loop of two links
    with pytest.warns(UserWarning, match=r"'away/again'.*'cat/back'.*'cat/itself'") as told:
        images = load_images(tmp_path / "set")
    assert len(told) == 1
    assert images.ids == ("away/2.png", "cat/1.png")
    assert images.note == "3 links back into a folder around it not followed"


def test_a_link_to_nothing_is_named(tmp_path):
    put(tmp_path / "1.png")
    (tmp_path / "2.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(FileNotFoundError, match=r"image '2.png' is a link to a file that does not exist"):
        load_images(tmp_path)
    with pytest.warns(UserWarning, match=r"2\.png"):
        assert load_images(tmp_path, skip_unreadable=True).ids == ("1.png",)


# ---- what is not read


def test_other_files_are_counted_by_suffix_and_not_named(tmp_path):
    put(tmp_path / "a/1.png")
    for name in (
        "a/x.npy",
        "a/y.NPY",
        "b/scan.dcm",
        "b/README",
        "b/notes.txt",
        "b/me.at-the-beach",
        ".hidden",
        "Thumbs.db",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    images = load_images(tmp_path)
    assert images.ids == ("a/1.png",)
    assert images.note == "not read: 2 .npy, 1 .dcm, 1 .txt, 1 without a suffix, 1 other"
    assert "beach" not in repr(images)


def test_a_folder_without_pictures_says_what_it_holds_and_how_that_gets_in(tmp_path):
    for k in range(3):
        (tmp_path / f"{k}.npy").write_bytes(b"x")
    (tmp_path / "README").write_bytes(b"x")
    with pytest.raises(
        ValueError, match=r"which holds 3 .npy, 1 without a suffix\. Give the array: .*np\.load"
    ) as caught:
        load_images(tmp_path)
    assert str(tmp_path) not in str(caught.value)


def test_many_kinds_are_summed_up(tmp_path):
    put(tmp_path / "1.png")
    for k in range(9):
        (tmp_path / f"x.k{k}").write_bytes(b"x")
    assert load_images(tmp_path).note == "not read: 1 .k0, 1 .k1, 1 .k2, 1 .k3, 1 .k4, 1 .k5, 3 more"


def test_what_was_not_read_is_said_to_who_explores(tmp_path):
    from semrsm_widgets.analysis import AnalysisRecipe

    for k in range(2):
        put(tmp_path / f"{k}.png")
    (tmp_path / "scan.dcm").write_bytes(b"x")

    class Desk:
        save_images = True
        said: list[str] = []  # noqa: RUF012

        def notice(self, text, names=()):
            self.said.append(text)

    assert len(AnalysisRecipe(images=tmp_path)._chosen_images(Desk())) == 2
    assert Desk.said == ["Not read: 1 .dcm."]


# ---- what cannot be opened


def test_a_pipe_named_as_a_picture_does_not_hang(tmp_path):
    put(tmp_path / "1.png")
    os.mkfifo(tmp_path / "2.png")
    found = []

    def load():
        try:
            load_images(tmp_path)
        except OSError as error:
            found.append(str(error))

    thread = threading.Thread(target=load, daemon=True)
    thread.start()
    thread.join(20)
    assert found == [
        "image '2.png' cannot be read: it is a pipe, no file. "
        "Replace the file, or leave it out with load_images(..., skip_unreadable=True)."
    ]
    with pytest.warns(UserWarning, match="a pipe"):
        assert load_images(tmp_path, skip_unreadable=True).ids == ("1.png",)


def test_a_socket_and_a_folder_are_no_pictures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the path of a socket may not be long
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s.png")
        with pytest.raises(OSError, match="it is a socket"):
            load_images([tmp_path / "s.png"])
    (tmp_path / "f.png").mkdir()
    with pytest.raises(OSError, match=r"'f.png' cannot be read: it is a folder, no file"):
        load_images([tmp_path / "f.png"])


def test_a_sub_folder_that_cannot_be_opened_is_named(tmp_path, monkeypatch):
    put(tmp_path / "cat/1.png")
    put(tmp_path / "dog/1.png")
    scandir = os.scandir

    def refuse(path):
        if Path(path).name == "dog":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(OSError, match="the sub-folder 'dog/' cannot be opened: Permission denied") as caught:
        load_images(tmp_path)
    assert str(tmp_path) not in str(caught.value)
    with pytest.warns(UserWarning, match="The sub-folder 'dog/' cannot be opened"):
        assert load_images(tmp_path, skip_unreadable=True).ids == ("cat/1.png",)


def test_a_file_that_may_not_be_read_is_named_without_its_folder(tmp_path, monkeypatch):
    put(tmp_path / "1.png")

    def refuse(path, *_):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(OSError, match=r"'1.png' cannot be read: Permission denied") as caught:
        load_images(tmp_path)
    assert str(tmp_path) not in str(caught.value)


def test_a_path_that_is_not_there_is_named_from_where_it_goes_wrong(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"got 'phtos/cat'\. Check the spelling") as caught:
        load_images(tmp_path / "phtos" / "cat")
    assert str(tmp_path) not in str(caught.value)


# ---- order


def test_the_order_is_not_that_of_the_file_system(tmp_path, monkeypatch):
    names = [f"{folder}/{k}.png" for folder in "ba" for k in (10, 2, 1)]
    for name in names:
        put(tmp_path / name)
    scandir = os.scandir

    class Shuffled:
        def __init__(self, path):
            self.found = list(scandir(path))
            random.Random(len(str(path))).shuffle(self.found)

        def __enter__(self):
            return iter(self.found)

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(os, "scandir", Shuffled)
    assert load_images(tmp_path).ids == tuple(sorted(names))


def test_an_iterator_of_paths_is_sorted_and_a_list_is_not(tmp_path):
    paths = [put(tmp_path / name) for name in ("c.png", "a.png", "b.png")]
    assert load_images(iter(paths)).ids == ("a.png", "b.png", "c.png")
    assert load_images(tmp_path.rglob("*.png")).ids == ("a.png", "b.png", "c.png")
    assert load_images(set(paths)).ids == ("a.png", "b.png", "c.png")
    assert load_images(paths).ids == ("c.png", "a.png", "b.png")
    assert load_images((p, "x") for p in paths).ids == ("c.png", "a.png", "b.png")
    for source in (iter(paths), set(paths)):
        with pytest.raises(ValueError, match=r"whose order is not fixed\. Give a list, such as sorted\(paths\)"):
            load_images(source, labels=[1, 2, 3])
    assert load_images(iter(paths), labels={"a.png": "x"}).labels[0] == {"x"}


# ---- names that are no text


def raw_name(folder: Path, name: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    picture = put(folder.parent / "seed.png").read_bytes()
    with open(os.fsencode(folder) + b"/" + name, "wb") as file:
        file.write(picture)


def test_names_that_are_no_utf_8_have_ids_that_can_be_written(tmp_path):
    for name in (b"caf\xe9.png", b"tea.png", b"caf\xe8.png", rb"caf\xe9.png"):
        raw_name(tmp_path / "photos", name)
    images = load_images(tmp_path / "photos")
    assert sorted(images.ids) == [r"caf\xe8.png", r"caf\xe9.png", r"caf\xe9.png#2", "tea.png"]
    "".join(images.ids).encode()
    assert all(image.size == (8, 8) for image in images)  # the files are still found
    tokens = srsm.Tokens(values=torch.randn(4, 9, 8), grid=(3, 3), native_grid=(3, 3), layer="l")
    analysis = srsm.Analysis(images, {"l": tokens})
    srsm.to_html(analysis, tmp_path / "report.html")
    analysis.save(tmp_path / "a.npz")
    assert srsm.Analysis.load(tmp_path / "a.npz").images.ids == images.ids
    analysis.to_frame().to_csv(tmp_path / "a.csv")
    assert r"caf\xe9.png" in (tmp_path / "a.csv").read_text(encoding="utf-8")


def test_folders_that_are_no_utf_8_give_labels_that_can_be_written(tmp_path):
    raw_name(tmp_path / os.fsdecode(b"th\xe9"), b"1.png")
    raw_name(tmp_path / "tea", b"1.png")
    (tmp_path / "seed.png").unlink()
    images = load_images(tmp_path)
    assert [sorted(names) for names in images.labels] == [["tea"], [r"th\xe9"]]
    assert images.ids == ("tea/1.png", r"th\xe9/1.png")


def test_such_names_in_lists_and_errors(tmp_path):
    raw_name(tmp_path / "photos", b"\xff\xfe.png")
    raw_name(tmp_path / "photos", b"a\nb.png")
    path = os.fsdecode(os.fsencode(tmp_path) + b"/photos/\xff\xfe.png")
    assert load_images([path]).ids == (r"\xff\xfe.png",)
    assert load_images([(path, os.fsdecode(b"\xe9"))]).labels == (frozenset({r"\xe9"}),)
    assert load_images(tmp_path / "photos").ids == (r"a\x0ab.png", r"\xff\xfe.png")
    Path(path).write_bytes(b"no picture")
    with pytest.raises(OSError, match="cannot be read") as caught:
        load_images([path])
    str(caught.value).encode()


# ---- frames


@pytest.fixture
def animated(tmp_path):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "lime", "blue")]
    for suffix in ("gif", "webp", "tif", "png"):
        frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:], lossless=True)
    return tmp_path


COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]


def test_the_first_frame_is_read_and_their_number_is_said(animated):
    images = load_images(animated)
    assert images.note == "4 pictures of 12 frames, the first of each is read"
    assert [images.image(i).getpixel((5, 5)) for i in range(4)] == [COLOURS[0]] * 4


@pytest.mark.parametrize("frame", [0, 1, 2, -1])
def test_another_frame_can_be_chosen(animated, frame):
    images = load_images(animated, frame=frame)
    assert [images.image(i).getpixel((5, 5)) for i in range(4)] == [COLOURS[frame]] * 4
    assert images.note == f"4 pictures of 12 frames, frame {frame} of each is read (the first is 0)"
    assert load_images([animated / "a.gif"]).note == "1 picture of 3 frames, the first is read"


def test_a_frame_that_some_picture_has_not_is_refused_by_name(animated):
    put(animated / "b.png")
    with pytest.raises(OSError, match=r"'b.png' cannot be read: `frame` must be .*got 1 where there are 1 frame"):
        load_images(animated, frame=1)
    with pytest.raises(TypeError, match="`frame`"):
        load_images(animated, frame="first")


def test_frames_may_differ_in_size(tmp_path):
    pages = [Image.new("RGB", (16, 12)), Image.new("RGB", (30, 20))]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    images = load_images([tmp_path / "pages.tif"], frame=1)
    assert images.size(0) == images.image(0).size == (30, 20)


def test_frames_in_memory(animated):
    from PIL import ImageSequence

    with Image.open(animated / "a.gif") as gif:
        images = load_images(ImageSequence.Iterator(gif))
        assert [images.image(i).getpixel((5, 5)) for i in range(3)] == COLOURS
        gif.seek(1)
        one, chosen = load_images([gif]), load_images([gif], frame=2)
        assert gif.tell() == 1
        gif.seek(0)
        assert one.image(0).getpixel((5, 5)) == COLOURS[1]
        assert chosen.image(0).getpixel((5, 5)) == COLOURS[2]
        with pytest.raises(ValueError, match=r"frame\.copy\(\) for frame in"):
            load_images(list(ImageSequence.Iterator(gif)))


# ---- broken EXIF blocks


@pytest.mark.parametrize(
    "rest", [b"", b"rubbish, no TIFF", b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0", b"II*\0\xff\xff\xff\xff"]
)
def test_pictures_with_a_broken_exif_block_are_read(tmp_path, rest):
    Image.new("RGB", (40, 20), "red").save(tmp_path / "x.jpg", exif=b"Exif\0\0" + rest)
    images = load_images(tmp_path)
    assert images.image(0).size == images.size(0) == (40, 20)
