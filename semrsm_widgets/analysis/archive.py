"""An Analysis in one .npz file: Grams, ids, labels, thumbnails and provenance, so that it opens anywhere and later.

Arrays are plain, everything else is one JSON text: nothing is pickled, so a file from someone else can run no code.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from semrsm_widgets.common import clipped, describe, home_expanded, message, printable, shown_path, written_whole
from semrsm_widgets.images import Images, MemorySource, unique_ids
from semrsm_widgets.matching import Assignment, Auction, BatchOptimal, Exact, Fallbacks, Greedy, Identity, TopKGreedy
from semrsm_widgets.rsm import MatchedGram
from semrsm_widgets.statistics import check_probabilities
from semrsm_widgets.tokens import Tokens

from .members import Members, counts, field, mapping, text, texts, truth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semrsm_widgets.matching import Matcher


FORMAT = 1
TENSORS = ("values", "prefix")
"""What of Tokens is no plain value."""
MATCHERS = {matcher.__name__: matcher for matcher in (Auction, BatchOptimal, Exact, Greedy, Identity, TopKGreedy)}
HEADER = ("format", "ids", "labels", "note", "layers", "matcher", "provenance")
LAYER = ("name", "shape", "prefix", "words", "grams")
PROVENANCE_TEXTS = ("name", "weights", "weights_sha256")
"""What is shown of the model, in captions and in scripts."""
LARGEST_THUMBNAIL = 1024
"""Pixels a side; those that are written have 96."""
_LONGEST_NAME = 200
_ROUNDING = 1e-6
GRAM_ARRAYS = (
    "products",
    "upper_bound",
    "pooled_products",
    "x_sq_norms",
    "y_sq_norms",
    "x_pooled_sq_norms",
    "y_pooled_sq_norms",
)


@dataclass(frozen=True)
class StoredMatcher:
    """Stands for a matcher that cannot be rebuilt from a file: a function of the user's."""

    name: str

    def __call__(self, x: Any, y: Any) -> Assignment:
        """Raise: its code is not in the file."""
        raise ValueError(f"The matcher {self.name} is not in the saved file. Pass matcher=... to match anew.")

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True, kw_only=True)
class LayerGrams:
    """What is kept of one layer besides its tokens: its Grams, by what made them."""

    semantic: MatchedGram
    aligned: MatchedGram
    class_token: MatchedGram | None
    null: list[MatchedGram] | None


@dataclass(frozen=True, kw_only=True)
class AnalysisRecord:
    """What is kept of an Analysis, and what one is rebuilt from."""

    images: Images
    tokens: Mapping[str, Tokens]
    layers: Mapping[str, LayerGrams]
    matcher: Matcher
    probabilities: NDArray[np.float64] | None
    provenance: Mapping[str, Any]


def archive_path(path: Any, *, new: bool = False) -> Path:
    """Return the path of a file; one to be written gets the suffix, and its folder must be there.

    Raises:
        TypeError: it is no path.
        ValueError: it cannot be one, or there is no such folder.
    """
    if not isinstance(path, str | os.PathLike) or isinstance(path, bytes) or not os.fspath(path):
        raise TypeError(message("path", "the name of an .npz file", describe(path)))
    found = home_expanded("path", path)
    if not new:
        return found
    if not found.name or not os.path.isdir(found.parent):
        got = repr(shown_path(found))
        raise ValueError(message("path", "a file in a folder that exists", got, "Make that folder first."))
    return found if found.suffix else found.with_suffix(".npz")


def write_archive(record: AnalysisRecord, path: Path, *, tokens: bool) -> None:
    """Write a record, with its tokens or with their shapes alone; the file appears whole or not at all."""
    arrays: dict[str, NDArray[Any]] = {}
    layers = [
        _write_layer(name, record.tokens[name], grams, f"{k}", arrays, tokens=tokens)
        for k, (name, grams) in enumerate(record.layers.items())
    ]
    for i in range(len(record.images)):
        arrays[f"thumbnails/{i}"] = _png(record.images.thumbnail(i))
    if record.probabilities is not None:
        arrays["probabilities"] = record.probabilities
    labels = record.images.labels
    header = {
        "format": FORMAT,
        "ids": record.images.ids,
        "labels": None if labels is None else [sorted(names) for names in labels],
        "note": record.images.note,
        "layers": layers,
        "matcher": _matcher_words(record.matcher),
        "provenance": record.provenance,
    }
    arrays["header"] = np.array(json.dumps(header, ensure_ascii=False))
    with written_whole(path) as file:
        try:
            members: dict[str, Any] = dict(arrays)  # all plain; `allow_pickle` would be one of them before NumPy 2.1
            np.savez(file, **members)
        except ValueError as error:  # Ctrl-C within a member, which zipfile cannot close then
            if isinstance(error.__context__, KeyboardInterrupt):
                raise error.__context__ from None
            raise


def read_archive(path: Path) -> AnalysisRecord:
    """Return what `write_archive` wrote, every field of it checked before it is used.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no such file, from a newer version, or damaged; the text names file and field.
    """
    with Members(path) as members:
        header = members.header()
        with field(path, "header"):
            if not isinstance(header, dict) or "format" not in header:
                raise ValueError("without a format")
            (version,) = counts([header["format"]], 1)
        if version > FORMAT:
            newer = f"format {version}, written by a newer version"
            raise ValueError(message("path", f"of format {FORMAT} or older", newer, "Update semrsm-widgets."))
        with field(path, "header"):
            mapping(header, HEADER)
            ids = texts(header["ids"])
            if not ids or not isinstance(header["layers"], list) or not header["layers"]:
                raise ValueError("no images, or no layers")
            provenance = mapping(header["provenance"], (), header["provenance"])
            for name in PROVENANCE_TEXTS:
                if provenance.get(name) is not None:
                    provenance[name] = text(provenance[name])
        tokens, layers = {}, {}
        for k, words in enumerate(header["layers"]):
            with field(path, f"layers[{k}]"):
                mapping(words, LAYER)
                name = text(words["name"])
                if name in tokens:
                    raise ValueError(f"the layer {name!r} a second time")
                tokens[name] = _tokens(words, f"{k}", len(ids), members)
                layers[name] = _layer(words["grams"], f"{k}", tokens[name], members)
        images = _images(header, ids, members)
        with field(path, "matcher"):
            matcher = _matcher(header["matcher"])
        probabilities = None
        if "probabilities" in members:
            probabilities = members.numbers("probabilities", (len(ids), None))
            with field(path, "probabilities"):
                check_probabilities(probabilities, len(ids))
        members.finish()
    return AnalysisRecord(
        images=images,
        tokens=tokens,
        layers=layers,
        matcher=matcher,
        probabilities=probabilities,
        provenance=provenance,
    )


def _write_layer(
    name: str, layer: Tokens, grams: LayerGrams, key: str, arrays: dict[str, NDArray[Any]], *, tokens: bool
) -> dict[str, Any]:
    """Put a layer's arrays in, and return the rest of it as JSON values."""
    kinds = {"semantic": grams.semantic, "aligned": grams.aligned, "class_token": grams.class_token}
    words = {kind: _write_gram(gram, f"{key}/{kind}", arrays) for kind, gram in kinds.items() if gram is not None}
    if grams.null is not None:
        words["null"] = _words(grams.null[0])
        for column in GRAM_ARRAYS:
            arrays[f"{key}/null/{column}"] = np.stack([getattr(gram, column) for gram in grams.null])
    if tokens:
        arrays[f"{key}/values"] = _plain(layer.values)
        if layer.prefix is not None:
            arrays[f"{key}/prefix"] = _plain(layer.prefix)
    return {
        "name": name,
        "shape": list(layer.values.shape),
        "prefix": None if layer.prefix is None else list(layer.prefix.shape),
        "words": {each.name: getattr(layer, each.name) for each in fields(Tokens) if each.name not in TENSORS},
        "grams": words,
    }


def _write_gram(gram: MatchedGram, key: str, arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    for name in GRAM_ARRAYS:
        arrays[f"{key}/{name}"] = getattr(gram, name)
    return _words(gram)


def _words(gram: MatchedGram) -> dict[str, Any]:
    """Return what is not an array of a gram."""
    return {
        "sizes": gram.sizes,
        "symmetric": gram.symmetric,
        "matcher": gram.matcher,
        "fallbacks": asdict(gram.fallbacks),
    }


def _gram(words: Any, sizes: tuple[int, int], columns: Mapping[str, Any], *, symmetric: bool) -> MatchedGram:
    """Return a gram of checked arrays; what its words say must fit them."""
    mapping(words, ("sizes", "symmetric", "matcher", "fallbacks"))
    fallbacks = mapping(words["fallbacks"], ("float64", "exact"))
    if counts(words["sizes"], 2) != sizes or truth(words["symmetric"]) != symmetric:
        raise ValueError(f"{words['sizes']} tokens, symmetric {words['symmetric']}, which its layer has not")
    products, upper = columns["products"], columns["upper_bound"]
    if np.any(upper < products - _ROUNDING * np.abs(products)) or any(
        np.any(columns[name] < 0) for name in GRAM_ARRAYS if name.endswith("norms")
    ):
        raise ValueError("an upper bound below its product, or a negative norm")
    if symmetric and not all(np.array_equal(columns[name], columns[name].T) for name in ("products", "upper_bound")):
        raise ValueError("products that are not symmetric")
    found = counts([fallbacks["float64"], fallbacks["exact"]], 2, minimum=0)
    return MatchedGram(
        **columns,
        sizes=sizes,
        symmetric=symmetric,
        matcher=text(words["matcher"]),
        fallbacks=Fallbacks(float64=found[0], exact=found[1]),
    )


def _columns(members: Members, key: str, ahead: tuple[int | None, ...], count: int) -> dict[str, NDArray[np.float64]]:
    """Return the arrays of a gram of so many images on either side, or of some that are stacked."""
    return {
        name: members.numbers(
            f"{key}/{name}", (*ahead, *((count,) if name.endswith("norms") else (count, count))),
            infinite=name == "upper_bound",
        )
        for name in GRAM_ARRAYS
    }  # fmt: skip


def _layer(words: Any, key: str, tokens: Tokens, members: Members) -> LayerGrams:
    mapping(words, ("semantic", "aligned"), ("class_token", "null"))
    count, size = tokens.values.shape[:2]

    def gram(kind: str, tokens_each: int) -> MatchedGram:
        with field(members.path, f"{key}/{kind}"):
            columns = _columns(members, f"{key}/{kind}", (), count)
            return _gram(words[kind], (tokens_each, tokens_each), columns, symmetric=True)

    null: list[MatchedGram] | None = None
    if "null" in words:
        with field(members.path, f"{key}/null"):
            stacked = _columns(members, f"{key}/null", (None,), 1)
            pairs = {len(each) for each in stacked.values()}
            if len(pairs) != 1 or pairs == {0}:
                raise ValueError("arrays of different lengths, or empty ones")
            null = [
                _gram(words["null"], (size, size), {name: each[k] for name, each in stacked.items()}, symmetric=False)
                for k in range(pairs.pop())
            ]
    return LayerGrams(
        semantic=gram("semantic", size),
        aligned=gram("aligned", size),
        class_token=gram("class_token", 1) if "class_token" in words else None,
        null=null,
    )


def _tokens(layer: dict[str, Any], key: str, images: int, members: Members) -> Tokens:
    """Return a layer's tokens; where they were not saved, their shape alone (see `inputs.present`)."""

    def tensor(name: str, shape: tuple[int, ...]) -> torch.Tensor:
        if shape[0] != images:
            raise ValueError(f"{name} of {shape[0]} images, where {images} belong")
        if f"{key}/{name}" not in members:
            return torch.empty(shape, device="meta")
        array = members.array(f"{key}/{name}", "f", shape)
        with field(members.path, f"{key}/{name}"):
            if not np.all(np.isfinite(array)):
                raise ValueError("NaN or infinity")
        return torch.from_numpy(array)

    values = tensor("values", counts(layer["shape"], 3))
    aside = None if layer["prefix"] is None else tensor("prefix", counts(layer["prefix"], 3))
    words = mapping(layer["words"], (), [each.name for each in fields(Tokens) if each.name not in TENSORS])
    grids = {name: words.get(name) for name in ("grid", "native_grid")}
    grid, native = (None if each is None else counts(each, 2) for each in grids.values())
    if grid is not None and grid[0] * grid[1] != values.shape[1]:
        raise ValueError(f"a grid {grid} of {values.shape[1]} tokens")
    has_class_token = truth(words.get("has_class_token", False))
    if has_class_token and aside is None:
        raise ValueError("a class token, and no prefix tokens")
    return Tokens(
        values=values,
        prefix=aside,
        grid=None if grid is None else (grid[0], grid[1]),
        native_grid=None if native is None else (native[0], native[1]),
        layer=text(words.get("layer", "")),
        note=text(words.get("note", "")),
        caution=text(words.get("caution", "")),
        has_class_token=has_class_token,
    )


def _images(header: dict[str, Any], names: list[str], members: Members) -> Images:
    pictures = []
    for i in range(len(names)):
        data = members.array(f"thumbnails/{i}", "u", (None,))
        with field(members.path, f"thumbnails/{i}"):
            picture = Image.open(io.BytesIO(data.tobytes()), formats=["PNG"])
            if max(picture.size) > LARGEST_THUMBNAIL:
                raise ValueError(f"a picture of {picture.size} pixels")
            picture.load()
            pictures.append(picture)
    with field(members.path, "labels and note"):
        labels = header["labels"]
        if labels is not None:
            if not isinstance(labels, list) or len(labels) != len(names):
                raise ValueError(f"not a list for each of {len(names)} images")
            labels = tuple(frozenset(texts(each)) for each in labels)
        note = text(header["note"])
    ids = unique_ids(names)  # files of earlier versions hold names as they were
    return Images(
        ids=ids,
        sources=tuple(MemorySource(name, picture) for name, picture in zip(ids, pictures, strict=True)),
        labels=labels,
        note=note,
    )


def _matcher_words(matcher: Any) -> dict[str, Any]:
    name = type(matcher).__name__
    known = type(matcher) is MATCHERS.get(name)
    options: dict[str, Any] = {}
    if known and is_dataclass(matcher):
        options = {each.name: getattr(matcher, each.name) for each in fields(matcher)}
    shown = name if known else clipped(printable(repr(matcher)), _LONGEST_NAME)
    return {"name": shown, "options": options, "known": known}


def _matcher(words: Any) -> Matcher:
    mapping(words, ("name", "options", "known"))
    name, options = text(words["name"]), words["options"]
    if not truth(words["known"]):
        return StoredMatcher(clipped(name, _LONGEST_NAME))
    if name not in MATCHERS or not isinstance(options, dict):
        raise ValueError(f"no matcher of the name {clipped(name, 40)!r}")
    matcher: Matcher = MATCHERS[name](**options)
    return matcher


def _png(picture: Image.Image) -> NDArray[np.uint8]:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return np.frombuffer(buffer.getvalue(), np.uint8)


def _plain(values: torch.Tensor) -> NDArray[Any]:
    """Return a tensor as an array; NumPy has no bfloat16, which float32 holds exactly."""
    values = values.detach().cpu()
    array: NDArray[Any] = (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    return array
