"""An Analysis in one .npz file: Grams, ids, labels, thumbnails and provenance, so that it opens anywhere and later.

Arrays are plain, everything else is one JSON text: nothing is pickled, so a file from someone else can run no code.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from semrsm_widgets.common import message, printable, written_whole
from semrsm_widgets.images import Images, MemorySource, unique_ids
from semrsm_widgets.matching import Assignment, Auction, BatchOptimal, Exact, Fallbacks, Greedy, Identity, TopKGreedy
from semrsm_widgets.rsm import MatchedGram
from semrsm_widgets.tokens import Tokens

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semrsm_widgets.matching import Matcher


FORMAT = 1
TENSORS = ("values", "prefix")
"""What of Tokens is no plain value."""
MATCHERS = {matcher.__name__: matcher for matcher in (Auction, BatchOptimal, Exact, Greedy, Identity, TopKGreedy)}
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
    with written_whole(path if path.suffix else path.with_suffix(".npz")) as file:
        np.savez(file, allow_pickle=False, **dict(arrays))


def read_archive(path: Path) -> AnalysisRecord:
    """Return what `write_archive` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no such file, or from a newer version.
    """
    todo = "Give a file that analysis.save(path) wrote."
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        header = json.loads(arrays["header"].item())
    except (KeyError, ValueError, zipfile.BadZipFile, EOFError, AttributeError) as error:
        raise ValueError(message("path", "a saved Analysis", f"{path.name}: {error}", todo)) from error
    if header["format"] > FORMAT:
        newer = f"format {header['format']}, written by a newer version"
        raise ValueError(message("path", f"of format {FORMAT} or older", newer, "Update semrsm-widgets."))
    layers = header["layers"]
    return AnalysisRecord(
        images=_images(header, arrays),
        tokens={layer["name"]: _tokens(layer, f"{k}", arrays) for k, layer in enumerate(layers)},
        layers={layer["name"]: _layer(layer, f"{k}", arrays) for k, layer in enumerate(layers)},
        matcher=_matcher(header["matcher"]),
        probabilities=arrays.get("probabilities"),
        provenance=header["provenance"],
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
        "words": {field.name: getattr(layer, field.name) for field in fields(Tokens) if field.name not in TENSORS},
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


def _gram(words: dict[str, Any], columns: Mapping[str, Any]) -> MatchedGram:
    return MatchedGram(
        **columns,
        sizes=tuple(words["sizes"]),
        symmetric=words["symmetric"],
        matcher=words["matcher"],
        fallbacks=Fallbacks(**words["fallbacks"]),
    )


def _layer(layer: dict[str, Any], key: str, arrays: Mapping[str, NDArray[Any]]) -> LayerGrams:
    words = layer["grams"]

    def columns(kind: str) -> dict[str, NDArray[np.float64]]:
        return {name: arrays[f"{key}/{kind}/{name}"] for name in GRAM_ARRAYS}

    null: list[MatchedGram] | None = None
    if "null" in words:
        stacked = columns("null")
        count = len(stacked["products"])
        null = [_gram(words["null"], {name: each[k] for name, each in stacked.items()}) for k in range(count)]
    return LayerGrams(
        semantic=_gram(words["semantic"], columns("semantic")),
        aligned=_gram(words["aligned"], columns("aligned")),
        class_token=_gram(words["class_token"], columns("class_token")) if "class_token" in words else None,
        null=null,
    )


def _tokens(layer: dict[str, Any], key: str, arrays: Mapping[str, NDArray[Any]]) -> Tokens:
    """Return a layer's tokens; where they were not saved, their shape alone (see `inputs.present`)."""

    def tensor(name: str, shape: list[int] | None) -> torch.Tensor | None:
        if shape is None:
            return None
        saved = arrays.get(f"{key}/{name}")
        return torch.empty(shape, device="meta") if saved is None else torch.from_numpy(saved)

    values = tensor("values", layer["shape"])
    assert values is not None
    words: dict[str, Any] = layer["words"]
    words = {name: tuple(word) if isinstance(word, list) else word for name, word in words.items()}
    return Tokens(values=values, prefix=tensor("prefix", layer["prefix"]), **words)


def _images(header: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Images:
    pictures = [Image.open(io.BytesIO(arrays[f"thumbnails/{i}"].tobytes())) for i in range(len(header["ids"]))]
    labels = header["labels"]
    ids = unique_ids([printable(name) for name in header["ids"]])  # files of earlier versions hold names as they were
    return Images(
        ids=ids,
        sources=tuple(MemorySource(name, picture) for name, picture in zip(ids, pictures, strict=True)),
        labels=None if labels is None else tuple(frozenset(map(printable, names)) for names in labels),
        note=header["note"],
    )


def _matcher_words(matcher: Any) -> dict[str, Any]:
    name = type(matcher).__name__
    known = type(matcher) is MATCHERS.get(name)
    options: dict[str, Any] = {}
    if known and is_dataclass(matcher):
        options = {field.name: getattr(matcher, field.name) for field in fields(matcher)}
    return {"name": name if known else repr(matcher), "options": options, "known": known}


def _matcher(words: dict[str, Any]) -> Matcher:
    if not words["known"]:
        return StoredMatcher(words["name"])
    matcher: Matcher = MATCHERS[words["name"]](**words["options"])
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
