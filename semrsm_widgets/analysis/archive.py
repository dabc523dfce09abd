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

from semrsm_widgets.common import Progress, message, written_whole
from semrsm_widgets.images import Images, MemorySource
from semrsm_widgets.matching import Assignment, Auction, BatchOptimal, Exact, Fallbacks, Greedy, Identity, TopKGreedy
from semrsm_widgets.rsm import MatchedGram
from semrsm_widgets.tokens import Tokens

from .provenance import provenance_card

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semrsm_widgets.matching import Matcher

    from .analysis import Analysis

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
class StoredLayer:
    """What is kept of one layer besides its tokens: the Grams that were saved, by what made them."""

    semantic: MatchedGram
    aligned: MatchedGram
    class_token: MatchedGram | None
    null: list[MatchedGram] | None


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What an Analysis is rebuilt from."""

    images: Images
    tokens: dict[str, Tokens]
    layers: dict[str, StoredLayer]
    matcher: Matcher
    probabilities: NDArray[np.float64] | None
    provenance: Mapping[str, Any]


def save(analysis: Analysis, path: str | Path, *, tokens: bool, progress: Progress | None) -> None:
    """Write an Analysis; see `Analysis.save`."""
    if analysis.queries is not None:
        todo = "Save Analysis(images, tokens) of the images alone."
        raise ValueError(message("analysis", "one without queries to be saved", "one with queries", todo))
    arrays: dict[str, NDArray[Any]] = {}
    layers = []
    for k, name in enumerate(analysis.layers):
        if progress is not None:
            progress(k, len(analysis.layers))
        layers.append(_write_layer(analysis, name, f"{k}", arrays, tokens=tokens))
    for i in range(len(analysis)):
        arrays[f"thumbnails/{i}"] = _png(analysis.images.thumbnail(i))
    if analysis.probabilities is not None:
        arrays["probabilities"] = analysis.probabilities
    labels = analysis.images.labels
    header = {
        "format": FORMAT,
        "ids": analysis.images.ids,
        "labels": None if labels is None else [sorted(names) for names in labels],
        "note": analysis.images.note,
        "layers": layers,
        "matcher": _matcher_words(analysis.matcher),
        "provenance": provenance_card(analysis),
    }
    arrays["header"] = np.array(json.dumps(header, ensure_ascii=False))
    _write_whole(Path(path), arrays)
    if progress is not None:
        progress(len(analysis.layers), len(analysis.layers))


def read(path: str | Path) -> Stored:
    """Return what `save` wrote."""
    path = Path(path)
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
    return Stored(
        images=_images(header, arrays),
        tokens={layer["name"]: _tokens(layer, f"{k}", arrays) for k, layer in enumerate(layers)},
        layers={layer["name"]: _layer(layer, f"{k}", arrays) for k, layer in enumerate(layers)},
        matcher=_matcher(header["matcher"]),
        probabilities=arrays.get("probabilities"),
        provenance=header["provenance"],
    )


def _write_layer(
    analysis: Analysis, name: str, key: str, arrays: dict[str, NDArray[Any]], *, tokens: bool
) -> dict[str, Any]:
    """Put a layer's arrays in, and return the rest of it as JSON values."""
    layer = analysis.tokens[name]
    grams = {
        "semantic": analysis.gram(name),
        "aligned": analysis.gram(name, matcher=Identity()),
        "class_token": analysis.class_token_gram(name),
    }
    words = {kind: _write_gram(gram, f"{key}/{kind}", arrays) for kind, gram in grams.items() if gram is not None}
    if len(analysis) > 1:
        null = analysis.null_grams(name)
        words["null"] = _words(null[0])
        for column in GRAM_ARRAYS:
            arrays[f"{key}/null/{column}"] = np.stack([getattr(gram, column) for gram in null])
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


def _layer(layer: dict[str, Any], key: str, arrays: Mapping[str, NDArray[Any]]) -> StoredLayer:
    words = layer["grams"]

    def columns(kind: str) -> dict[str, NDArray[np.float64]]:
        return {name: arrays[f"{key}/{kind}/{name}"] for name in GRAM_ARRAYS}

    null: list[MatchedGram] | None = None
    if "null" in words:
        stacked = columns("null")
        count = len(stacked["products"])
        null = [_gram(words["null"], {name: each[k] for name, each in stacked.items()}) for k in range(count)]
    return StoredLayer(
        semantic=_gram(words["semantic"], columns("semantic")),
        aligned=_gram(words["aligned"], columns("aligned")),
        class_token=_gram(words["class_token"], columns("class_token")) if "class_token" in words else None,
        null=null,
    )


def _tokens(layer: dict[str, Any], key: str, arrays: Mapping[str, NDArray[Any]]) -> Tokens:
    """Return a layer's tokens; where they were not saved, their shape alone (see `_inputs.present`)."""

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
    return Images(
        ids=tuple(header["ids"]),
        sources=tuple(MemorySource(name, picture) for name, picture in zip(header["ids"], pictures, strict=True)),
        labels=None if labels is None else tuple(frozenset(names) for names in labels),
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


def _write_whole(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a file that appears whole or not at all."""
    with written_whole(path if path.suffix else path.with_suffix(".npz")) as file:
        np.savez(file, allow_pickle=False, **dict(arrays))
