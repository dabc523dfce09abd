"""What stores say of themselves in attributes, checked where it is read: whoever wrote it need not be us.

Each attribute is what it has to be, or one error names the store and the attribute. Of the numbers in it none is
believed that the arrays beside it do not bear out: what is read, and how much room it takes, follows from these.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from semrsm_widgets.common import describe, message, printable

from .pending import PENDING
from .places import TOKENS
from .token_reading import IDS, VALUES, stored_type

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .places import Place

ORDER = "order"
"""The array that says which rows a store is of, where they are not all of them in its order; it has a number behind."""
MOST = 2**48
"""No count in a store is larger: with more, sums of sizes would leave 64 bits."""
_ORDER_NAME = re.compile(f"{ORDER}-[0-9a-f]+")
_WORDS: dict[str, type] = {"layer": str, "note": str, "caution": str, "has_class_token": bool}
_GRIDS = ("grid", "native_grid")
_ANEW = "Extract them anew, into another store."


def group_name(layer: str) -> str:
    """Return what a layer's group is called: its name, where a file can be called so."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", layer)[:60]
    safe = plain == layer and not plain.startswith((".", "_")) and layer not in (PENDING, "zarr.json")
    return plain if safe else f"layer-{plain}-{sha256(layer.encode(errors='surrogatepass')).hexdigest()[:8]}"


def is_count(value: Any, least: int) -> bool:
    """Return whether a value is an integer from `least` on that sizes can be computed with."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= MOST


def are_counts(value: Any, least: int) -> bool:
    """Return whether a value is two of them."""
    return isinstance(value, list | tuple) and len(value) == 2 and all(is_count(each, least) for each in value)


def check_sound(sound: Mapping[str, bool], said: Mapping[str, Any], label: str, whole: str, todo: str) -> None:
    """Refuse attributes of which one is not what it has to be.

    Args:
        sound: for each attribute whether it is.
        said: their values; of one that is missing, nothing.
        label: what to call the store, or the part of it.
        whole: what the store should be.
        todo: what to do.

    Raises:
        ValueError: the first that is not is named.
    """
    broken = next((name for name, is_sound in sound.items() if not is_sound), None)
    if broken is not None:
        value = describe(said[broken]) if broken in said else "not there"
        raise ValueError(message("store", whole, f"{label}, whose {broken!r} is {value}", todo))


@dataclass(frozen=True)
class TokenFacts:
    """What a store of tokens says of all its layers.

    Attributes:
        settings: what the tokens depend on: words -> value.
        batch: images in a batch.
        dtype: of the tokens.
        images: how many have a row.
        order: the array of the rows of the last call; empty if they are all, in order.
    """

    settings: dict[str, str]
    batch: int
    dtype: torch.dtype
    images: int
    order: str


def token_facts(place: Place) -> TokenFacts | None:
    """Return what a store of tokens says of itself; None if it says nothing, as one that was just begun.

    Raises:
        ValueError: it holds something else, is of a newer version, or one of its attributes is not what it has to be:
            that one is named, with the store.
    """
    facts = place.facts(TOKENS)
    if facts is None:
        return None
    settings, order, dtype = facts.get("settings"), facts.get("order", ""), _floating(facts.get("dtype"))
    rows = rows_there(place, IDS)
    images: Any = facts.get("images", rows)
    sound = {
        "settings": isinstance(settings, dict) and all(isinstance(each, str) for each in settings.values()),
        "batch": is_count(facts.get("batch"), 1),
        "dtype": dtype is not None,
        IDS: rows is not None,
        "images": rows is None or (is_count(images, 0) and images <= rows),
        "order": order == ""
        or (isinstance(order, str) and bool(_ORDER_NAME.fullmatch(order)) and rows_there(place, order) is not None),
    }
    check_sound(sound, facts, repr(place.label), "a store of tokens that is whole", _ANEW)
    assert dtype is not None
    return TokenFacts(dict(facts["settings"]), facts["batch"], dtype, images, order)


def _floating(name: Any) -> torch.dtype | None:
    """Return the type of tokens of a name; None where it is none."""
    found = getattr(torch, name, None) if isinstance(name, str) else None
    return found if isinstance(found, torch.dtype) and found.is_floating_point else None


def rows_there(place: Place, name: str) -> int | None:
    """Return how many rows an array of a store has; None where there is no such array."""
    shape = getattr(place.group.get(name), "shape", ())
    return int(shape[0]) if shape else None


def checked_rows(place: Place, name: str, rows: NDArray[Any], count: int) -> NDArray[np.int64]:
    """Return which rows the images of a call have, as an array of the store says.

    Raises:
        ValueError: they are not different rows of the store.
    """
    sound = rows.ndim == 1 and rows.dtype.kind in "iu" and len(np.unique(rows)) == len(rows)
    if not sound or (len(rows) and not (rows.min() >= 0 and rows.max() < count)):
        got = f"{place.label!r}, whose {ORDER!r}, {printable(name)}, is not of different rows of {count:,}"
        raise ValueError(message("store", "one that is whole", got, "The same call makes it anew."))
    return rows.astype(np.int64)


@dataclass(frozen=True)
class LayerFacts:
    """What a store of tokens says of one layer.

    Attributes:
        name: of the layer.
        depth: in the model.
        settings: what its tokens depend on besides those of all.
        words: what its tokens are besides their numbers, as `Tokens` takes it.
    """

    name: str
    depth: int
    settings: str
    words: dict[str, Any]


LAYER_ATTRIBUTES = ("name", "depth", "settings", "words")


def layer_facts(group: Any, label: str) -> LayerFacts | None:
    """Return what a group says of the layer that it is of; None if it says nothing, as one that was just begun.

    Args:
        group: the Zarr group of the layer.
        label: what to call the store.

    Raises:
        ValueError: one of its attributes is not what it has to be; it is named, with the store.
    """
    said = dict(group.attrs)
    if VALUES not in group and not said.keys() >= set(LAYER_ATTRIBUTES):
        return None  # Zarr writes one attribute after another, and tokens come after all of them
    name, depth = said.get("name"), said.get("depth")
    words, key = said.get("words"), str(group.path).rpartition("/")[2]
    sound = {
        "name": isinstance(name, str) and group_name(name) == key,
        "depth": isinstance(depth, int) and not isinstance(depth, bool) and abs(depth) <= MOST,
        "settings": isinstance(said.get("settings"), str),
        "words": isinstance(words, dict) and not words.keys() - _WORDS.keys() - set(_GRIDS),
    }
    part = f"the layer {key!r} of {label!r}"
    check_sound(sound, said, part, "a store of tokens that is whole", _ANEW)
    assert isinstance(words, dict)
    filled = {"layer": name, "note": "", "caution": "", "has_class_token": False, **dict.fromkeys(_GRIDS), **words}
    sound = {word: isinstance(filled[word], kind) for word, kind in _WORDS.items()}
    sound["layer"] = filled["layer"] == name
    sound |= {grid: filled[grid] is None or are_counts(filled[grid], 1) for grid in _GRIDS}
    check_sound(sound, words, part, "a store of tokens that is whole", _ANEW)
    grids = {grid: None if filled[grid] is None else tuple(filled[grid]) for grid in _GRIDS}
    texts = {word: printable(filled[word]) for word in ("note", "caution")}
    return LayerFacts(str(name), int(said["depth"]), said["settings"], {**filled, **grids, **texts})


def check_layer(facts: LayerFacts, label: str, shape: tuple[int, ...], kept: str, dtype: torch.dtype) -> None:
    """Refuse a layer whose arrays are not what the attributes say.

    Args:
        facts: what is said of the layer.
        label: what to call the store.
        shape: (N, S, D) of the array of its tokens.
        kept: the type of its numbers, as Zarr names it.
        dtype: of the tokens, as the store says.

    Raises:
        ValueError: the attribute that does not fit is named, with the store.
    """
    grid = facts.words["grid"]
    sound = {
        "dtype": dtype.itemsize <= np.dtype(np.float64).itemsize and kept == stored_type(dtype),
        "grid": len(shape) == 3 and (grid is None or grid[0] * grid[1] == shape[1]),
    }
    said = {"dtype": str(dtype).removeprefix("torch."), "grid": grid}
    part = f"the layer {printable(facts.name)!r} of {label!r}"
    check_sound(sound, said, part, "a store of tokens whose parts fit each other", _ANEW)
