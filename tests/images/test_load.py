"""Images: every kind of source, stable ids, labels, faithful pixels, and errors that name the picture."""

import struct
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from semrsm_widgets.common import Meter
from semrsm_widgets.images import folders
from semrsm_widgets.images.demo import demo_images
from semrsm_widgets.images.folders import from_folder
from semrsm_widgets.images.image_set import Images, subset
from semrsm_widgets.images.load import as_images, load_images
from semrsm_widgets.images.sources import to_rgb

RED, BLUE = (200, 30, 30), (30, 30, 200)


def picture(width: int = 40, height: int = 30, left=RED, right=BLUE) -> Image.Image:
    """Return a picture whose left half is one colour and whose right half is another."""
    image = Image.new("RGB", (width, height), right)
    image.paste(left, (0, 0, width // 2, height))
    return image


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("dog/b.png", "cat/z.png", "cat/a.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        picture().save(tmp_path / name, quality=95)
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / ".hidden").mkdir()
    picture().save(tmp_path / ".hidden" / "x.png")
    picture().save(tmp_path / "cat" / "._a.png")
    return tmp_path


def truncate(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def test_opening_files_says_how_far_it_is_and_ends_where_it_is_told_to(folder):
    told = []
    load_images(folder, progress=lambda *counts: told.append(counts))
    assert told == [(0, 3), (3, 3)]

    def refuse(done, total):
        raise InterruptedError(f"{done} of {total}")

    with pytest.raises(InterruptedError, match="0 of 3"):
        load_images(folder, progress=refuse)


def test_a_bar_counts_what_is_found_before_it_knows_how_much_there_is(folder, monkeypatch):
    monkeypatch.setattr(folders, "_TOLD_EVERY", 1)
    told = []
    with Meter("Opening the pictures", False, unit="pictures") as meter:
        monkeypatch.setattr(Meter, "_move", lambda inner, _: told.append(meter.words(meter.began, inner=True)))
        from_folder(folder, skip_unreadable=False)
    assert told[1:] == [f"0 s so far, looking through the folder: {k} pictures" for k in (1, 2)]


def test_a_call_that_opens_files_itself_tells_its_own_steps_alone(folder, monkeypatch):
    drawn = []
    entered = Meter.__enter__
    monkeypatch.setattr(Meter, "__enter__", lambda meter: drawn.append((meter.what, meter._wish)) or entered(meter))
    told = []
    as_images(folder, progress=lambda *counts: told.append(counts))
    as_images(folder, progress=False)
    as_images(folder)
    assert told == []
    assert [wish for what, wish in drawn if what == "Opening the pictures"] == [False, False, None]


# ---- demo


def test_demo_is_eight_photographs_with_overlapping_crops():
    images = demo_images()
    assert len(images) == 16
    assert images.ids[:2] == ("astronaut/0", "astronaut/1")
    assert images.labels[0] == frozenset({"astronaut"})
    assert len(set().union(*images.labels)) == 8
    assert all(image.mode == "RGB" and image.size == images.size(i) for i, image in enumerate(images))


@pytest.mark.parametrize("overlap", [0.0, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("crops", [2, 3])
def test_consecutive_crops_share_the_stated_area_and_those_pixels(crops, overlap):
    images = demo_images(crops, overlap, seed=3)
    for i in range(0, len(images), crops):
        for a, b in zip(range(i, i + crops - 1), range(i + 1, i + crops), strict=True):
            (l0, t0, r0, b0), (l1, t1, r1, b1) = images.sources[a].box, images.sources[b].box
            left, top, right, bottom = max(l0, l1), max(t0, t1), min(r0, r1), min(b0, b1)
            shared = max(0, right - left) * max(0, bottom - top) / ((r0 - l0) * (b0 - t0))
            assert abs(shared - overlap) < 0.03
            if shared:
                mine = np.asarray(images.image(a).crop((left - l0, top - t0, right - l0, bottom - t0)))
                other = np.asarray(images.image(b).crop((left - l1, top - t1, right - l1, bottom - t1)))
                np.testing.assert_array_equal(mine, other)


def test_crops_lie_within_the_photograph_and_depend_on_the_seed_only():
    boxes = {}
    for seed in range(6):
        images = demo_images(seed=seed)
        assert [s.box for s in demo_images(seed=seed).sources] == [s.box for s in images.sources]
        for source in images.sources:
            width, height = Image.open(source.path).size
            assert min(source.box) >= 0
            assert source.box[2] <= width
            assert source.box[3] <= height
            assert source.box[2] - source.box[0] >= 200
        boxes[seed] = tuple(s.box for s in images.sources)
    assert len(set(boxes.values())) == 6


def test_one_crop_is_the_largest_square():
    assert demo_images(crops=1).size(0) == (320, 320)


def test_the_shipped_photographs_are_small_and_credited():
    data = Path(demo_images().sources[0].path).parent
    files = sorted(data.glob("*.jpg"))
    assert len(files) == 8
    assert sum(f.stat().st_size for f in files) < 170_000
    credits = (data / "CREDITS.md").read_text(encoding="utf-8")
    assert all(f"`{f.name}`" in credits for f in files)
    assert all(not Image.open(f).getexif() for f in files)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"crops": 0}, "`crops`"),
        ({"overlap": 1}, "same picture"),
        ({"overlap": -0.1}, "`overlap`"),
        ({"crops": 40, "overlap": 0}, "do not fit"),
        ({"seed": -1}, "`seed`"),
    ],
)
def test_demo_refuses_bad_arguments(arguments, text):
    with pytest.raises(ValueError, match=text):
        demo_images(**arguments)


# ---- sources


def test_a_folder_is_sorted_and_ids_are_relative_and_labels_are_its_sub_folders(folder):
    images = load_images(folder)
    assert images.ids == ("cat/a.jpg", "cat/z.png", "dog/b.png")
    assert images.labels == (frozenset({"cat"}), frozenset({"cat"}), frozenset({"dog"}))
    assert str(folder) not in repr(images)
    assert load_images(str(folder)).ids == images.ids


def test_labels_come_from_the_first_level_that_differs(tmp_path):
    for name in ("train/cat/2020/a.png", "train/dog/b.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        picture().save(tmp_path / name)
    assert load_images(tmp_path).labels == (frozenset({"cat"}), frozenset({"dog"}))


def test_a_flat_folder_has_no_labels_and_a_loose_file_beside_sub_folders_the_empty_set(tmp_path, folder):
    assert load_images(folder / "cat").labels is None
    picture().save(folder / "loose.png")
    assert load_images(folder).labels[-1] == frozenset()


def test_given_labels_replace_those_found(folder):
    images = load_images(folder, ["x", {"x", "y"}, None])
    assert images.labels == (frozenset({"x"}), frozenset({"x", "y"}), frozenset())
    assert load_images(folder, {"dog/b.png": "mine"}).labels[2] == frozenset({"mine"})
    assert load_images(images, ["a", "b", "c"]).labels[0] == frozenset({"a"})


def test_paths_keep_their_order_and_get_ids_relative_to_their_common_folder(folder):
    images = load_images([folder / "dog/b.png", str(folder / "cat/a.jpg"), folder / "dog/b.png"])
    assert images.ids == ("dog/b.png", "cat/a.jpg", "dog/b.png#2")
    assert load_images(folder / "dog/b.png").ids == ("b.png",)


def test_arrays_pictures_and_tensors_give_the_same_pixels():
    image = picture()
    array = np.asarray(image)
    sources = [image, array, array / 255, (array / 255).astype(np.float32), array.astype(np.int64),
               torch.from_numpy(array.copy()).permute(2, 0, 1)]  # fmt: skip
    images = load_images(sources)
    assert images.ids == ("0", "1", "2", "3", "4", "5")
    assert images.labels is None
    for i in range(len(images)):
        np.testing.assert_array_equal(np.asarray(images.image(i)), array)


def test_grey_and_stacked_arrays():
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert load_images([grey, grey[..., None]]).size(1) == (4, 3)
    assert len(load_images(np.zeros((5, 6, 7), np.uint8))) == 5
    assert len(load_images(np.zeros((5, 6, 7, 3), np.uint8))) == 5
    assert len(load_images(torch.zeros(5, 3, 6, 7))) == 5


def test_pairs_of_image_and_label():
    images = load_images([(picture(), "a"), (picture(), {"a", "b"}), (picture(), 7)])
    assert images.labels == (frozenset({"a"}), frozenset({"a", "b"}), frozenset({"7"}))


class Dataset:
    """A dataset in torchvision's manner, which counts what is fetched."""

    classes = ("cat", "dog")

    def __init__(self, targets: bool) -> None:
        self.fetched: list[int] = []
        if targets:
            self.targets = torch.tensor([1, 0, 1])

    def __len__(self) -> int:
        return 3

    def __getitem__(self, i: int) -> tuple[Image.Image, int]:
        if i >= 3:
            raise IndexError(i)
        self.fetched.append(i)
        return picture(40 + i), [1, 0, 1][i]


def test_a_dataset_that_knows_its_targets_is_not_decoded_to_learn_them():
    dataset = Dataset(targets=True)
    images = load_images(dataset)
    assert dataset.fetched == [0]
    assert images.labels == (frozenset({"dog"}), frozenset({"cat"}), frozenset({"dog"}))
    assert images.image(2).width == 42


def test_a_dataset_without_targets_is_read_once_for_its_labels():
    dataset = Dataset(targets=False)
    assert load_images(dataset).labels[1] == frozenset({"cat"})
    assert dataset.fetched == [0, 1, 2]


def test_torchvision_image_folder_and_fake_data(folder):
    from torchvision.datasets import FakeData, ImageFolder

    images = load_images(
        ImageFolder(str(folder), allow_empty=True, is_valid_file=lambda p: "._" not in p and ".hidden" not in p)
    )
    assert images.ids == ("cat/a.jpg", "cat/z.png", "dog/b.png")
    assert images.labels[2] == frozenset({"dog"})
    assert len(load_images(FakeData(size=3, image_size=(3, 16, 16)))) == 3


@pytest.mark.parametrize("kind", ["frame", "mapping", "csv", "tsv"])
def test_a_table_of_paths_and_labels(folder, kind):
    table = {"path": ["dog/b.png", "cat/a.jpg"], "label": ["dog", None]}
    if kind in ("csv", "tsv"):
        source = folder / f"list.{kind}"
        pd.DataFrame(table).to_csv(source, index=False, sep="," if kind == "csv" else "\t", encoding="utf-8-sig")
    else:
        table["path"] = [str(folder / p) for p in table["path"]]
        source = pd.DataFrame(table) if kind == "frame" else table
    images = load_images(source)
    assert images.ids == ("dog/b.png", "cat/a.jpg")
    assert images.labels == (frozenset({"dog"}), frozenset())
    assert images.size(0) == (40, 30)


def test_a_generator_of_pictures():
    assert len(load_images(picture() for _ in range(3))) == 3


# ---- pixels


GREY = (119, 119, 119)
MODES = {  # one colour in every mode that Pillow has, and what is to be seen of it
    "1": (255, (255, 255, 255)),
    "L": (119, GREY),
    "P": (1, (255, 0, 0)),
    "RGB": ((10, 20, 30), (10, 20, 30)),
    "RGBA": ((10, 20, 30, 0), (255, 255, 255)),
    "RGBX": ((10, 20, 30, 0), (10, 20, 30)),
    "RGBa": ((0, 0, 0, 0), (255, 255, 255)),
    "CMYK": ((0, 255, 255, 0), (255, 0, 0)),
    "YCbCr": ((119, 128, 128), GREY),
    "LAB": ((127, 128, 128), GREY),  # 128 is zero of a and b
    "HSV": ((0, 0, 119), GREY),
    "LA": ((119, 255), GREY),
    "La": ((119, 255), GREY),
    "PA": ((1, 255), (255, 0, 0)),
    "I": (119 * 257, GREY),
    "F": (119 / 255, GREY),
    "I;16": (119 * 257, GREY),
    "I;16L": (119 * 257, GREY),
    "I;16B": (119 * 257, GREY),
}


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_shows_its_own_colour(mode):
    colour, expected = MODES[mode]
    picture = Image.new("P" if mode == "PA" else mode, (9, 8))
    if mode in ("P", "PA"):
        picture.putpalette([0, 0, 0, 255, 0, 0])
    if mode == "PA":
        picture = picture.convert("PA")
    picture.paste(colour, (0, 0, 9, 8))
    seen = to_rgb(picture)
    assert (seen.mode, seen.size) == ("RGB", (9, 8))
    assert np.abs(np.subtract(seen.getpixel((4, 4)), expected)).max() <= 2


def test_exif_orientation_is_honoured_everywhere(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn clockwise: the left half comes to the top
    picture(400, 300).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    images = load_images([tmp_path / "turned.jpg"])
    assert images.size(0) == (300, 400) == images.image(0).size
    for shown in (images.image(0), images.thumbnail(0, 60)):
        top, bottom = shown.getpixel((shown.width // 2, 4)), shown.getpixel((shown.width // 2, shown.height - 4))
        assert top[0] > 150 > top[2]
        assert bottom[2] > 150 > bottom[0]


def test_thumbnails_carry_no_metadata_and_fit_and_are_remembered(tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    picture(400, 300).save(tmp_path / "x.jpg", exif=exif, icc_profile=b"profile", comment=b"hello")
    images = load_images([tmp_path / "x.jpg"])
    small = images.thumbnail(0, 50)
    assert small.size == (50, 38)
    assert not small.info
    assert not small.getexif()
    (tmp_path / "x.jpg").unlink()
    np.testing.assert_array_equal(np.asarray(images.thumbnail(0, 50)), np.asarray(small))
    small.paste((0, 0, 0), (0, 0, 50, 38))  # a caller's drawing does not reach the remembered one
    assert images.thumbnail(0, 50).getpixel((3, 3)) != (0, 0, 0)


def test_transparency_is_laid_over_white_and_sixteen_bits_are_scaled_not_clipped(tmp_path):
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    Image.fromarray(np.full((8, 8), 128 * 257, np.uint16)).save(tmp_path / "deep.png")
    Image.new("CMYK", (8, 8)).save(tmp_path / "print.jpg")
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 10, 200, 30])
    palette.save(tmp_path / "palette.gif")
    images = load_images([tmp_path / n for n in ("clear.png", "deep.png", "print.jpg", "palette.gif")])
    assert images.image(0).getpixel((0, 0)) == (255, 255, 255)
    assert images.image(1).getpixel((0, 0)) == (128, 128, 128)
    assert images.image(2).mode == "RGB"
    assert images.image(3).getpixel((0, 0)) == (10, 200, 30)


def test_decoding_never_changes_the_users_picture():
    mine = picture()
    images = load_images([mine, mine])
    images.image(0).paste((0, 0, 0), (0, 0, 40, 30))
    assert mine.getpixel((0, 0)) == RED


# ---- select, subset, repr


def test_select_keeps_ids_labels_and_thumbnails(folder):
    images = load_images(folder)
    images.thumbnail(2)
    chosen = images.select([2, 0])
    assert chosen.ids == ("dog/b.png", "cat/a.jpg")
    assert chosen.labels[0] == frozenset({"dog"})
    (folder / "dog/b.png").unlink()
    assert chosen.thumbnail(0).size == (40, 30)
    with pytest.raises(IndexError):
        images.select([3])
    with pytest.raises(ValueError, match="different"):
        images.select([0, -3])


def test_subset_is_spread_over_labels_and_repeatable():
    images = load_images([picture()] * 100, labels=["common"] * 90 + ["rare"] * 10)
    chosen = subset(images, 16, seed=1)
    assert sum(names == {"rare"} for names in chosen.labels) == 8
    assert chosen.ids == subset(images, 16, seed=1).ids != subset(images, 16, seed=2).ids
    assert list(map(int, chosen.ids)) == sorted(map(int, chosen.ids))
    assert chosen.note == "16 of 100, seed 1"
    assert subset(images, 100) is images
    assert len(subset(load_images([picture()] * 9), 4)) == 4


def test_repr_is_stable_and_short():
    assert repr(demo_images()) == "Images(16 images; 8 labels: 'astronaut/0', 'astronaut/1', 'brick/0', ...)"
    assert repr(load_images([picture()])) == "Images(1 image: '0')"


# ---- bad input


def test_no_images(tmp_path):
    with pytest.raises(ValueError, match=r"`source` must be a folder with pictures \(.avif"):
        load_images(tmp_path)
    with pytest.raises(ValueError, match="at least one picture"):
        load_images([])
    with pytest.raises(FileNotFoundError, match="Check the spelling"):
        load_images(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"'a\.png' does not exist"):
        load_images([tmp_path / "a.png"])


@pytest.mark.parametrize("damage", ["garbage", "truncated"])
def test_an_unreadable_file_is_named_and_can_be_skipped(folder, damage):
    bad = folder / "cat" / "a.jpg"
    picture(800, 600).save(bad)
    truncate(bad) if damage == "truncated" else bad.write_bytes(b"no picture at all")
    with pytest.raises(OSError, match=r"'cat/a.jpg' cannot be read.*skip_unreadable") as caught:
        load_images(folder).image(0)
    assert str(folder) not in str(caught.value)
    with pytest.warns(UserWarning, match=r"1 of 3 images left out. image 'cat/a.jpg'"):
        images = load_images(folder, labels=["1", "2", "3"], skip_unreadable=True)
    assert images.ids == ("cat/z.png", "dog/b.png")
    assert images.labels[0] == frozenset({"2"})
    assert images.left_out == ("cat/a.jpg",)
    # It goes into captions and reports: no names.
    assert images.note == "1 of 3 left out, unreadable; not read: 1 .txt"


def test_nothing_is_warned_where_all_is_well(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_images(folder, skip_unreadable=True)


def test_all_files_unreadable(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(OSError, match=r"a\.png"):
        load_images(tmp_path, skip_unreadable=True)


def test_heic_names_the_package_that_reads_it(tmp_path):
    (tmp_path / "phone.heic").write_bytes(struct.pack(">I4s4sI", 16, b"ftyp", b"heic", 0))
    with pytest.raises(OSError, match=r"'phone.heic' cannot be read. .*pip install pillow-heif"):
        load_images(tmp_path)


@pytest.mark.parametrize(
    ("source", "kind", "text"),
    [
        ([np.zeros((3, 20, 20), np.uint8)], ValueError, "moveaxis"),
        ([np.full((4, 4, 3), 300)], ValueError, "from 300 to 300"),
        ([np.full((4, 4, 3), np.nan)], ValueError, "from nan"),
        ([torch.full((3, 4, 4), -1.0)], ValueError, "before any normalisation"),
        ([object()], TypeError, "`image 0` must be a PIL image"),
        (3, TypeError, "`source`"),
        (np.zeros((4, 4, 3), np.uint8), TypeError, "in a list"),
        (picture(), TypeError, "in a list"),
        ({"file": ["a.png"]}, ValueError, "column 'path'"),
    ],
)
def test_bad_sources_say_what_was_expected(source, kind, text):
    with pytest.raises(kind, match=text):
        load_images(source)


@pytest.mark.parametrize(
    ("labels", "kind", "text"),
    [
        (["a"], ValueError, "2 labels, one for each image"),
        ("ab", TypeError, "`labels`"),
        ({"7": "a"}, ValueError, "'7'"),
    ],
)
def test_labels_that_do_not_fit(labels, kind, text):
    with pytest.raises(kind, match=text):
        load_images([picture(), picture()], labels)


def test_images_is_what_load_images_returns():
    assert isinstance(load_images([picture()]), Images)
