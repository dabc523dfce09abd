"""Datasets, arrays and iterables of pictures: what this field's people hold them in."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from PIL import Image
from torch.utils.data import ConcatDataset, DataLoader, Dataset, StackDataset, Subset, TensorDataset, random_split
from torchvision.datasets import DatasetFolder, Food101, ImageFolder

from semrsm_widgets.images import load_images
from semrsm_widgets.images.sources import FileSource

VALUES = np.random.default_rng(0).integers(0, 256, (4, 8, 9, 3), dtype=np.uint8)
PICTURES = [Image.fromarray(values) for values in VALUES]


def labels_of(images):
    return [sorted(names) for names in images.labels]


def same(images, indices=range(4)):
    """Say whether images are these of the pictures."""
    return len(images) == len(list(indices)) and all(
        np.array_equal(np.asarray(images.image(i)), VALUES[k]) for i, k in enumerate(indices)
    )


@pytest.fixture
def folder(tmp_path):
    for k in range(4):
        path = tmp_path / "data" / ("cat" if k < 2 else "dog") / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        PICTURES[k].save(path)
    return tmp_path / "data"


NAMES = ["cat/0.png", "cat/1.png", "dog/2.png", "dog/3.png"]


# ---- torch's wrappers


@pytest.fixture
def undecoded(monkeypatch):
    """Fail where a picture is decoded."""

    def refuse(*_, **__):
        raise AssertionError("decoded")

    monkeypatch.setattr(FileSource, "image", refuse)
    monkeypatch.setattr(ImageFolder, "__getitem__", refuse)


@pytest.mark.usefixtures("undecoded")
def test_parts_of_an_image_folder_keep_names_and_labels_without_decoding(folder):
    whole = ImageFolder(folder)
    part = load_images(Subset(whole, [0, 3]))
    assert (part.ids, labels_of(part)) == (("cat/0.png", "dog/3.png"), [["cat"], ["dog"]])
    inner = load_images(Subset(Subset(whole, [3, 1, 0]), torch.tensor([2, 0])))
    assert (inner.ids, labels_of(inner)) == (("cat/0.png", "dog/3.png"), [["cat"], ["dog"]])
    both = load_images(ConcatDataset([Subset(whole, [2]), ConcatDataset([whole])]))
    assert both.ids == ("dog/2.png", *NAMES[:2], "dog/2.png#2", NAMES[3])
    train, test = random_split(whole, [3, 1], torch.Generator().manual_seed(0))
    found = [*load_images(train).ids, *load_images(test).ids]
    assert sorted(found) == NAMES
    assert load_images(Subset(whole, [0])).ids == ("cat/0.png",)  # whichever are chosen, one name for one picture
    chosen = load_images(Subset(ConcatDataset([whole, Subset(whole, [1])]), [4, 2]))
    assert (chosen.ids, labels_of(chosen)) == (("cat/1.png", "dog/2.png"), [["cat"], ["dog"]])


def test_folders_side_by_side_keep_their_own_names(folder):
    PICTURES[0].save(folder / "cat/9.png")
    other = folder.parent / "more"
    (other / "cat").mkdir(parents=True)
    PICTURES[1].save(other / "cat/0.png")
    images = load_images(ConcatDataset([ImageFolder(other), ImageFolder(folder)]))
    assert images.ids[:2] == ("more/cat/0.png", "data/cat/0.png")
    assert np.array_equal(np.asarray(images.image(0)), VALUES[1])


def test_a_part_that_fetches_in_its_own_way_is_asked(folder):
    class Cropped(Subset):
        def __getitem__(self, i):
            picture, label = super().__getitem__(i)
            return picture.crop((0, 0, 4, 4)), label

        def __getitems__(self, indices):
            return [self[i] for i in indices]

    images = load_images(Cropped(ImageFolder(folder), [0, 3]))
    assert images.size(0) == (4, 4)
    assert labels_of(images) == [["cat"], ["dog"]]  # the class names are those of what it wraps


def test_that_a_transform_was_not_applied_is_said(folder):
    assert load_images(ImageFolder(folder)).note == ""
    images = load_images(Subset(ImageFolder(folder, transform=lambda image: image.resize((2, 2))), [1]))
    assert images.note == "read without the dataset's own transform"
    assert images.size(0) == (9, 8)


def test_a_dataset_of_files_with_a_loader_of_its_own(folder):
    for path in folder.rglob("*.png"):
        np.save(path.with_suffix(".npy"), np.asarray(Image.open(path)))
    images = load_images(Subset(DatasetFolder(str(folder), np.load, (".npy",)), [1, 2]))
    assert images.ids == ("cat/1.npy", "dog/2.npy")
    assert labels_of(images) == [["cat"], ["dog"]]
    assert same(images, [1, 2])


@pytest.mark.usefixtures("undecoded")
def test_torchvisions_datasets_of_files_are_not_decoded_to_learn_their_labels(tmp_path):
    root = tmp_path / "food-101"
    (root / "meta").mkdir(parents=True)
    for name in ("apple_pie/1", "sushi/2"):
        (root / "images" / name).parent.mkdir(parents=True)
        PICTURES[0].save(root / "images" / f"{name}.jpg")
    (root / "meta/train.json").write_text(json.dumps({"apple_pie": ["apple_pie/1"], "sushi": ["sushi/2"]}))
    images = load_images(Subset(Food101(str(tmp_path)), [1, 0]))
    assert images.ids == ("food-101/images/sushi/2.jpg", "food-101/images/apple_pie/1.jpg")
    assert labels_of(images) == [["sushi"], ["apple_pie"]]


class Known(Dataset):
    """A dataset that knows its labels, and counts what is fetched."""

    classes = ("cat", "dog")

    def __init__(self, targets):
        self.targets = targets
        self.fetched = []

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, i):
        self.fetched.append(i)
        return PICTURES[i], self.targets[i]


def test_a_part_of_a_dataset_that_knows_its_labels_fetches_one_item_and_that_of_its_own():
    dataset = Known(torch.tensor([1, 0, -1, 1]))
    images = load_images(Subset(dataset, [3, 2]))
    assert dataset.fetched == [3]
    assert images.ids == ("0", "1")
    assert labels_of(images) == [["dog"], []]  # -1: the labels of a test set that are held back
    assert same(images, [3, 2])


def test_a_part_of_a_dataset_without_targets_is_read_alone():
    class Unknown(Known):
        @property
        def targets(self):
            raise AttributeError

        @targets.setter
        def targets(self, value):
            self.hidden = value

        def __len__(self):
            return 4

        def __getitem__(self, i):
            self.fetched.append(i)
            return PICTURES[i], self.hidden[i]

    dataset = Unknown([0, 1, 1, 0])
    assert labels_of(load_images(Subset(dataset, [2, 0]))) == [["dog"], ["cat"]]
    assert dataset.fetched == [2, 0]


def test_tensor_and_stack_datasets():
    values = torch.from_numpy(VALUES).permute(0, 3, 1, 2)
    assert labels_of(load_images(TensorDataset(values, torch.tensor([3, 1, 1, 2])))) == [["3"], ["1"], ["1"], ["2"]]
    assert same(load_images(TensorDataset(values)))
    assert same(load_images(Subset(TensorDataset(values), [2, 0])), [2, 0])
    assert labels_of(load_images(StackDataset(image=PICTURES, label=[1, 2, 3, 4])))[3] == ["4"]
    assert same(load_images(Subset(PICTURES, [3, 0])), [3, 0])


# ---- items that are mappings; Hugging Face


class ClassLabel:
    names = ("cat", "dog")


class HuggingFace:
    """A dataset in the manner of Hugging Face: columns by name, items as mappings, class names in `features`."""

    def __init__(self, features, **columns):
        self.features, self.columns_by_name = features, columns
        self.column_names = list(columns)
        self.fetched = 0

    def __len__(self):
        return len(next(iter(self.columns_by_name.values())))

    def __getitem__(self, key):
        if isinstance(key, str):
            assert key != "image", "a whole column of pictures was decoded"
            return self.columns_by_name[key]
        self.fetched += 1
        return {name: column[key] for name, column in self.columns_by_name.items()}


def test_class_names_come_from_features_and_no_picture_is_decoded_for_them():
    dataset = HuggingFace({"image": None, "label": ClassLabel()}, image=PICTURES, label=[0, 1, 1, -1])
    images = load_images(dataset)
    assert labels_of(images) == [["cat"], ["dog"], ["dog"], []]
    assert dataset.fetched == 1
    assert same(images)
    assert labels_of(load_images(Subset(dataset, [3, 1]))) == [[], ["dog"]]
    assert labels_of(load_images(ConcatDataset([dataset, dataset])))[4:6] == [["cat"], ["dog"]]


def test_lists_of_class_numbers_under_class_names_are_sets_and_no_vectors():
    class List:
        feature = ClassLabel()

    dataset = HuggingFace({"photo": None, "tags": List()}, photo=PICTURES, tags=[[0, 1], [0], [], [1]])
    assert labels_of(load_images(dataset, labels=None))[0] == ["cat", "dog"]
    assert labels_of(load_images(dataset)) == [["cat", "dog"], ["cat"], [], ["dog"]]


def test_a_column_of_pictures_under_another_name_is_known_by_its_feature():
    class Image:
        pass

    dataset = HuggingFace({"scan": Image(), "diagnosis": ClassLabel()}, scan=PICTURES, diagnosis=[1, 0, 0, 1])
    images = load_images(dataset)
    assert same(images)
    assert labels_of(images)[0] == ["dog"]


def encoded(k):
    stream = io.BytesIO()
    PICTURES[k].save(stream, "png")
    return stream.getvalue()


@pytest.mark.parametrize(
    "item",
    [
        lambda k: {"image": PICTURES[k], "label": k},
        lambda k: {"img": PICTURES[k], "target": k},
        lambda k: {"Picture ": PICTURES[k], "Class": k},
        lambda k: {"view": PICTURES[k], "category": k},  # the only picture in it
        lambda k: {"image": {"bytes": encoded(k), "path": None}, "labels": k},
        lambda k: {"__key__": f"shard/{k}", "png": encoded(k), "cls": f"{k}".encode()},
        lambda k: (PICTURES[k], k, "a caption"),
        lambda k: (encoded(k), torch.tensor(k)),
    ],
)
def test_items_of_all_kinds(item):
    for source in ([item(k) for k in range(4)], (item(k) for k in range(4))):
        images = load_images(source)
        assert same(images)
        assert labels_of(images) == [["0"], ["1"], ["2"], ["3"]]
        assert images.ids in (("0", "1", "2", "3"), tuple(f"shard/{k}" for k in range(4)))


def test_items_with_paths(folder):
    paths = [folder / name for name in NAMES]
    for source in ([{"path": path, "label": "x"} for path in paths], [{"image": str(path)} for path in paths]):
        assert load_images(source).ids == tuple(NAMES)


def test_an_item_without_a_picture_says_what_it_holds():
    for source in ([{"pixel_values": 3, "label": 1}], HuggingFace({"text": None}, text=["a"])):
        with pytest.raises(
            TypeError, match=r"`image 0` must be under the key 'image'; got the keys '(pixel_values|text)'"
        ):
            load_images(source)


def test_real_hugging_face_datasets_are_read_if_they_are_there():
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    dataset = datasets.Dataset.from_dict({"image": PICTURES, "label": [0, 1, 1, -1]}, features=features)
    for source in (dataset, dataset.with_format("numpy"), dataset.cast_column("image", datasets.Image(decode=False))):
        images = load_images(source)
        assert labels_of(images) == [["cat"], ["dog"], ["dog"], []]
        assert same(images)


# ---- arrays of other packages


class Lazy:
    """As zarr and dask arrays: shape, dtype, indexing and `__array__`, which reads everything."""

    def __init__(self, values):
        self.values, self.shape, self.dtype, self.ndim = values, values.shape, values.dtype, values.ndim
        self.read = []

    def __getitem__(self, i):
        self.read.append(i)
        return Lazy(self.values[i])

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype)


def test_lazy_arrays_are_read_a_picture_at_a_time():
    array = Lazy(VALUES)
    images = load_images(array, labels=list("abab"))
    assert array.read == [0]
    assert same(images)
    assert load_images(Subset(array, [2, 1])).ids == ("0", "1")
    assert same(load_images(Subset(array, [2, 1])), [2, 1])


@pytest.mark.parametrize(
    "array",
    [
        xr.DataArray(VALUES, dims=("n", "y", "x", "c")),
        xr.DataArray(np.moveaxis(VALUES, -1, 1), dims=("n", "band", "y", "x")),
        xr.DataArray(np.moveaxis(VALUES, -1, 2), dims=("n", "y", "Channel", "x")),
        xr.DataArray(VALUES / 255),
        list(xr.DataArray(VALUES)),
        [Lazy(values) for values in VALUES],
        np.array([*PICTURES, None], dtype=object)[:4],
    ],
)
def test_labelled_arrays(array):
    assert same(load_images(array))


def test_real_zarr_and_dask_arrays_are_read_if_they_are_there():
    zarr, dask = pytest.importorskip("zarr"), pytest.importorskip("dask.array")
    assert same(load_images(zarr.array(VALUES, chunks=(1, 8, 9, 3))))
    assert same(load_images(dask.from_array(VALUES, chunks=(1, 8, 9, 3))))


@pytest.mark.parametrize(
    ("array", "error", "text"),
    [
        (np.moveaxis(VALUES, -1, 1), ValueError, r"pictures \(N, H, W, 3\); got .*moveaxis\(x, 1, -1\)"),
        (torch.from_numpy(VALUES), ValueError, r"permute\(0, 3, 1, 2\)"),
        (np.zeros((3, 30, 40), np.uint8), TypeError, r"channels come first: \[np.moveaxis\(x, 0, -1\)\].*list\(x\)"),
        (np.zeros((30, 40, 3), np.uint8), TypeError, "One picture goes in a list"),
        (torch.zeros(3, 30, 40), TypeError, "One picture goes in a list"),
        (np.zeros((30, 40), np.uint8), TypeError, "One picture goes in a list"),
        (np.zeros((2, 2, 8, 8, 3), np.uint8), TypeError, r"shape \(2, 2, 8, 8, 3\)"),
        (np.zeros(7), TypeError, r"shape \(7,\)"),
        (np.zeros((5, 8, 8, 7), np.uint8), ValueError, "have 7 bands"),
        (Lazy(np.zeros((5, 8, 8, 7), np.uint8)), ValueError, "have 7 bands"),
    ],
)
def test_arrays_in_which_what_is_what_cannot_be_told(array, error, text):
    with pytest.raises(error, match=text):
        load_images(array)


def test_stacks_of_grey_pictures():
    assert len(load_images(torch.zeros(60, 28, 28, dtype=torch.uint8))) == 60
    assert len(load_images(np.zeros((60, 28, 28), np.uint8))) == 60


def test_columns_of_paths(folder):
    paths = [str(folder / name) for name in NAMES]
    for column in (np.array(paths), pd.Series(paths), pd.Index(paths), dict.fromkeys(paths).keys()):
        assert load_images(column).ids == tuple(NAMES)


# ---- what is refused, and how it gets in


def stranger(module, name="Dataset", **attributes):
    """Return an object of a class of another package."""
    return type(name, (), {"__module__": module, **attributes})()


def items(_self, k):
    if k > 3:
        raise IndexError
    return {"filepath": f"{k}.png"}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (DataLoader(TensorDataset(torch.zeros(4, 3, 8, 8))), r"DataLoader\. It hands out batches.*\(loader.dataset\)"),
        (stranger("tensorflow.data", element_spec=(), __iter__=lambda _: iter(())), r"unbatch\(\).as_numpy_iterator"),
        (stranger("fiftyone.core.dataset", __len__=lambda _: 4, __getitem__=items), r"dataset.values\('filepath'\)"),
        (stranger("pydicom.dataset", pixel_array=3), r"each.pixel_array.*scale="),
        (stranger("SimpleITK", "Image"), "GetArrayFromImage"),
        (stranger("nibabel.nifti1", "Nifti1Image"), "get_fdata"),
        (stranger("h5py", "Group", __getitem__=items, __len__=lambda _: 1), r"file\['images'\]"),
        (stranger("lightning", "DataModule", train_dataloader=None), r"train_dataloader\(\).dataset"),
        ({"train": HuggingFace({}, x=[]), "test": HuggingFace({}, x=[])}, r"'train', 'test'.*dataset\['train'\]"),
        (xr.Dataset({"images": (("n", "y", "x", "c"), VALUES)}), r"dataset\['images'\]"),
        (3, "`source` must be a folder, a table"),
        (None, "got None"),
    ],
)  # fmt: skip
def test_other_holders_of_pictures_are_refused_with_the_way_in(source, text):
    with pytest.raises(TypeError, match=text) as caught:
        load_images(source)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "suffix", [".npy", ".npz", ".dcm", ".zip", ".tar", ".h5", ".parquet", ".xlsx", ".pt", ".mp4", ".svg"]
)
def test_files_that_are_no_pictures_are_refused_with_the_way_in(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(b"content")
    with pytest.raises(ValueError, match=rf"`source` must be a folder, a table or a picture; got 'x\{suffix}'\. \w"):
        load_images(path)
    with pytest.raises(
        OSError, match=rf"'x\{suffix}' cannot be read: \{suffix} is no picture to Pillow\. \w"
    ) as caught:
        load_images([path])
    assert str(tmp_path) not in str(caught.value)


def test_the_ways_in_lead_in(tmp_path):
    np.save(tmp_path / "x.npy", VALUES)
    np.savez(tmp_path / "x.npz", images=VALUES)
    torch.save(torch.from_numpy(VALUES).permute(0, 3, 1, 2), tmp_path / "x.pt")
    assert same(load_images(np.load(tmp_path / "x.npy")))
    assert same(load_images(np.load(tmp_path / "x.npy", mmap_mode="r")))
    assert same(load_images(np.load(tmp_path / "x.npz")["images"]))
    assert same(load_images(torch.load(tmp_path / "x.pt")))
    loader = DataLoader(Known([0, 1, 1, 0]), batch_size=2)
    assert same(load_images(loader.dataset))


def test_bytes_that_are_no_picture_are_named():
    with pytest.raises(OSError, match="image '1' cannot be read: it is in no format that Pillow knows"):
        load_images([encoded(0), b"nothing"])


def test_one_path_as_text_is_a_folder_and_not_letters(tmp_path):
    assert Path("x") != tmp_path
    with pytest.raises(FileNotFoundError, match="Check the spelling"):
        load_images("nowhere")


@pytest.mark.parametrize("source", ["https://x.org/a.png", ["s3://bucket/a.png"], {"path": ["gs://bucket/a.png"]}])
def test_addresses_are_not_fetched(source):
    with pytest.raises(
        ValueError, match=r"`source` must be files on this machine; got '(https|s3|gs)://.*Fetch it first"
    ):
        load_images(source)


def test_an_empty_file_is_called_empty(tmp_path):
    (tmp_path / "x.png").write_bytes(b"")
    with pytest.raises(OSError, match=r"'x.png' cannot be read: the file is empty"):
        load_images(tmp_path)


def test_pictures_in_memory_are_looked_at_at_once():
    deep = Image.fromarray(np.full((4, 4), 3.0, np.float32))
    with pytest.raises(ValueError, match="`image 1` must be in the range from 0 to 1"):
        load_images([PICTURES[0], deep])
    assert load_images([deep], scale=3).image(0).getpixel((0, 0)) == (255, 255, 255)
