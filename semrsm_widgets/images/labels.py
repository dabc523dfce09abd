"""What a picture shows, as a set of texts: labels and sets of labels, and what is none."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from numbers import Real
from typing import Any

import numpy as np

from semrsm_widgets.common import clipped, describe, listed, message, natural_key, printable, read_numbers

Labels = frozenset[str]

EXPECTED = "a text, a number, or a set of these"
TODO = "Say what each picture shows with load_images(..., labels=[...]); None is no label."
VECTOR_TODO = (
    "A 0/1 vector is no set of labels: make it one with {name for name, on in zip(names, vector) if on}. "
    "Class numbers go in a set: set(numbers)."
)
_SCALARS = (str, bytes, Real, Decimal, np.generic, datetime.date, Enum)
_EXACT = 2.0**53  # below it a float tells whole numbers apart
_MISSING_OF_PANDAS = ("NAType", "NaTType")


def label_set(label: Any, classes: Sequence[Any] | None = None, *, image: str = "", indices: bool = False) -> Labels:
    """Return a label, or several, as a set of str.

    None, NaN, pandas' NA and NaT, a masked value and empty text are no label. A whole number is written as one, also
    where a missing value beside it made it a float: 1.0 is "1".

    Args:
        label: a text or a number, or a set, list or 1-D array of them.
        classes: names that an integer stands for; then -1 is no label.
        image: the picture's name, for errors.
        indices: whether a list holds class numbers for sure, and is no 0/1 vector.

    Raises:
        TypeError: it is something else; the text names the picture.
        ValueError: a 0/1 vector, or a number that is none of the classes.
    """
    if isinstance(label, set | frozenset):
        found = list(label)
    elif isinstance(label, list | tuple) or int(getattr(label, "ndim", 0)):
        found = _listed(label, image, indices=indices)
    else:
        name = _label(label, classes, image)
        return frozenset() if name is None else frozenset({name})
    names = (_label(one, classes, image) for one in found)
    return frozenset(name for name in names if name is not None)


def sorted_labels(labels: Iterable[str]) -> list[str]:
    """Return labels in the order in which they are shown: numbers by value, then texts."""
    return sorted(labels, key=natural_key)


def given_labels(labels: Any, ids: Sequence[str]) -> list[Labels]:
    """Return the labels that a user gave for pictures: one for each in order, or by id.

    Raises:
        TypeError: they are in no order, or no labels.
        ValueError: their number or an id does not fit the pictures.
    """
    is_series = hasattr(labels, "index") and hasattr(labels, "to_dict") and not hasattr(labels, "columns")
    if is_series and any(isinstance(key, str) for key in labels.index):
        labels = labels.to_dict()  # a pandas Series by id: its order is its own
    if isinstance(labels, Mapping):
        known = set(ids)
        unknown = [key for key in labels if key not in known]
        if unknown:
            got = f"the key {clipped(repr(unknown[0]))}"
            raise ValueError(message("labels", "a mapping from ids of these images", got, f"Ids are {listed(ids, 3)}."))
        return [label_set(labels.get(name), image=name) for name in ids]
    expected = "one label, or set of labels, for each image"
    if isinstance(labels, set | frozenset):
        raise TypeError(message("labels", expected, describe(labels), "A set has no order: give a list."))
    if hasattr(labels, "columns"):
        raise TypeError(message("labels", expected, describe(labels), "Give one column of the table."))
    if isinstance(labels, str | bytes) or not isinstance(labels, Iterable) or getattr(labels, "shape", None) == ():
        raise TypeError(message("labels", expected, labels))
    given = list(labels.to_pylist() if hasattr(labels, "to_pylist") else labels)
    if len(given) != len(ids):
        raise ValueError(message("labels", f"{len(ids)} labels, one for each image", f"{len(given)}"))
    return [label_set(label, image=name) for label, name in zip(given, ids, strict=True)]


def _label(value: Any, classes: Sequence[Any] | None, image: str) -> str | None:
    """Return one label, or None for a missing one."""
    if value is np.ma.masked:
        return None
    if not isinstance(value, _SCALARS) and hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        value = read_numbers(_of(image), value)[0].item()  # an array or tensor of one number
    elif isinstance(value, np.generic) and not isinstance(value, np.datetime64):
        value = value.item()
    if _is_missing(value):
        return None
    if not isinstance(value, _SCALARS):
        raise TypeError(message(_of(image), EXPECTED, describe(value), TODO))
    if classes is not None and isinstance(value, int):
        return _class(value, classes, image)
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        value = int(value)
    return printable(value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value))


def _class(number: int, classes: Sequence[Any], image: str) -> str | None:
    """Return the name of a class; -1 stands for no label wherever labels are held back, as in test sets."""
    if number == -1:
        return None
    if not 0 <= number < len(classes):
        raise ValueError(message(_of(image), f"a class number from 0 to {len(classes) - 1}", f"{number}", TODO))
    name = classes[number]
    return printable(", ".join(map(str, name)) if isinstance(name, tuple | list) else str(name))  # ImageNet's synonyms


def _is_missing(value: Any) -> bool:
    kind = type(value)
    if value is None:
        return True
    if kind.__name__ in _MISSING_OF_PANDAS and kind.__module__.startswith("pandas"):
        return True  # NA has no truth value to compare by
    if isinstance(value, str | bytes):
        return not value.strip()
    return isinstance(value, Real | Decimal | np.datetime64) and bool(value != value)


def _listed(label: Any, image: str, *, indices: bool) -> list[Any]:
    """Return the members of a list or 1-D array of labels; a vector over all classes is refused."""
    if isinstance(label, list | tuple):
        values = list(label)
    else:
        array = label if isinstance(label, np.ndarray) else read_numbers(_of(image), label)[0]
        if array.ndim != 1:
            raise TypeError(message(_of(image), EXPECTED, describe(label), TODO))
        values = array.tolist()
    numbers = [value for value in values if isinstance(value, Real | np.generic)]
    if not indices and len(values) > 1 and len(numbers) == len(values):
        is_flags = all(value in (-1, 0, 1) for value in numbers)
        if is_flags or not all(float(value).is_integer() for value in numbers):
            shown = f"the vector {clipped(repr(values), 40)}"
            raise ValueError(message(_of(image), EXPECTED, shown, VECTOR_TODO))
    return values


def _of(image: str) -> str:
    return f"label of image {image!r}" if image else "label"
