"""What is refused before it is read, because it is no set of pictures or cannot be told from something else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from PIL import Image

from semrsm_widgets.common import describe, listed, message

from .pixels import CHANNEL_COUNTS, is_array

ACCEPTED = "a folder, a table, a list of paths, PIL images or arrays, or a dataset"
_CHANNEL_NAMES = {"c", "ch", "channel", "channels", "band", "bands", "rgb", "colour", "color"}
_WAYS_IN = {
    "tensorflow": "Give its items: load_images(list(dataset.unbatch().as_numpy_iterator())).",
    "fiftyone": "Give its files: load_images(dataset.values('filepath'), labels=dataset.values('ground_truth.label')).",
    "pydicom": "Give its pixels: load_images([each.pixel_array], scale=(low, high)).",
    "SimpleITK": "Give its pixels: load_images([SimpleITK.GetArrayFromImage(each)], scale=(low, high)).",
    "nibabel": "Give slices of it: load_images([volume.get_fdata()[:, :, k]], scale=(low, high)).",
    "h5py": "Give one of its arrays: load_images(file['images']).",
    "zarr": "Give one of its arrays: load_images(group['images']).",
    "xarray": "Give one of its variables: load_images(dataset['images']).",
    "zipfile": "Unpack it first, and give the folder.",
    "tarfile": "Unpack it first, and give the folder.",
    "fastai": "Give its files and labels: load_images(list(dls.train_ds.items), labels=[...]).",
    "cupy": "Copy it from the device: load_images(x.get()).",
}
"""How the pictures in other packages' objects get in, by package."""


def refuse_stranger(source: Any) -> None:
    """Refuse what holds pictures in a way of its own, with the way in."""
    package = type(source).__module__.partition(".")[0]
    got = f"{type(source).__module__}.{type(source).__qualname__}"
    if isinstance(source, Image.Image):
        todo = "One picture goes in a list: load_images([picture])."
        raise TypeError(message("source", ACCEPTED, type(source).__name__, todo))
    if isinstance(source, Mapping) and source and all(_is_split(each) for each in source.values()):
        todo = f"Give one of its splits: load_images(dataset[{next(iter(source))!r}])."
        raise TypeError(message("source", ACCEPTED, f"{got} of the splits {listed(source)}", todo))
    if hasattr(source, "batch_size") and hasattr(source, "dataset") and hasattr(source, "collate_fn"):
        todo = "It hands out batches as the model takes them. Give its pictures: load_images(loader.dataset)."
        raise TypeError(message("source", ACCEPTED, got, todo))
    if hasattr(source, "element_spec"):  # of tf.data
        raise TypeError(message("source", ACCEPTED, got, _WAYS_IN["tensorflow"]))
    if hasattr(source, "pixel_array"):
        raise TypeError(message("source", ACCEPTED, got, _WAYS_IN["pydicom"]))
    if hasattr(source, "train_dataloader"):
        todo = "Give the dataset that it loads from: load_images(module.train_dataloader().dataset)."
        raise TypeError(message("source", ACCEPTED, got, todo))
    if package in _WAYS_IN and not is_array(source):
        raise TypeError(message("source", ACCEPTED, got, _WAYS_IN[package]))
    is_indexed = hasattr(source, "__getitem__") and (hasattr(source, "__len__") or hasattr(source, "columns"))
    if getattr(source, "shape", None) == ():  # NumPy's numbers, and arrays and tensors of one
        raise TypeError(message("source", ACCEPTED, describe(source)))
    if not is_indexed and not isinstance(source, Iterable) and not is_array(source):
        raise TypeError(message("source", ACCEPTED, describe(source)))


def _is_split(value: Any) -> bool:
    return hasattr(value, "features") and (hasattr(value, "column_names") or hasattr(value, "__len__"))


def channels_last(array: Any) -> Any:
    """Return an array whose axes have names with the one of channels last."""
    names = [str(name).casefold() for name in getattr(array, "dims", ())] if hasattr(array, "transpose") else []
    at = next((k for k, name in enumerate(names) if name in _CHANNEL_NAMES), None)
    if at in (None, 0, len(names) - 1):
        return array
    dims = list(array.dims)
    return array.transpose(*dims[:at], *dims[at + 1 :], dims[at])


def check_stack(source: Any) -> None:
    """Refuse an array that is one picture, or in which what is what cannot be told."""
    ndim = source.ndim
    is_tensor = hasattr(source, "detach")
    if ndim == 1 and getattr(source.dtype, "kind", "O") not in "iufcb" and not is_tensor:
        return  # paths
    shape = tuple(channels_last(source).shape)
    got = f"{type(source).__name__} of shape {shape}"
    if ndim == 4:
        first = shape[1] in CHANNEL_COUNTS
        last = shape[3] in CHANNEL_COUNTS
        if not is_tensor and first and not last:
            todo = "Channels come last in arrays: np.moveaxis(x, 1, -1)."
            raise ValueError(message("source", "pictures (N, H, W, 3)", got, todo))
        if is_tensor and last and not first:
            todo = "Channels come first in tensors: x.permute(0, 3, 1, 2)."
            raise ValueError(message("source", "pictures (N, 3, H, W)", got, todo))
        return
    if ndim == 3:
        ends = [shape[k] in CHANNEL_COUNTS for k in (0, 2)]
        if not any(ends):
            return  # N grey pictures
        todo = "One picture goes in a list: load_images([picture])."
        if ends == [True, False] and not is_tensor:
            todo += " If its channels come first: [np.moveaxis(x, 0, -1)]. If it is a stack of grey ones: list(x)."
        raise TypeError(message("source", ACCEPTED, got, todo))
    todo = "One picture goes in a list: load_images([picture])." if ndim == 2 else ""
    raise TypeError(message("source", ACCEPTED, got, todo))
