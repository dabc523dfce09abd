"""RSMs for other libraries: data frames, xarray's labelled arrays and rsatoolbox's RDMs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets.common import data_frame, optional
from semrsm_widgets.rsm import PATCH_SIMILARITIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from semrsm_widgets.rsm import MatchedGram, Similarities


def to_xarray(
    ids: Sequence[str], found: Iterable[Similarities], kernel: str, card: Callable[[], dict[str, Any]]
) -> Any:
    """Return (layer, similarity, image, other_image) similarities as an `xarray.DataArray`.

    Args:
        ids: of the N images.
        found: of each layer; computed while they are taken.
        kernel: its name.
        card: makes the provenance that goes along.
    """
    xarray = optional("xarray")
    layers = list(found)
    return xarray.DataArray(
        _stacked(layers),
        dims=("layer", "similarity", "image", "other_image"),
        coords={
            "layer": [each.layer for each in layers],
            "similarity": list(PATCH_SIMILARITIES),
            "image": list(ids),
            "other_image": list(ids),
            "null_mean": ("layer", [each.null.mean for each in layers]),
        },
        name=kernel,
        attrs={"provenance": json.dumps(card(), ensure_ascii=False)},
    )


def to_frame(ids: Sequence[str], found: Iterable[tuple[Similarities, MatchedGram]], kernel: str) -> Any:
    """Return a line for each layer, similarity and pair of images i < j as a `pandas.DataFrame`.

    Args:
        ids: of the N images.
        found: of each layer, with the semantic Gram, whose parts are told; computed while they are taken.
        kernel: its name.
    """
    pandas = optional("pandas")
    first, second = np.triu_indices(len(ids), 1)
    names = np.array(ids, dtype=object)
    blocks = []
    for each, gram in found:
        norms = gram.norms[first, second]
        for name in PATCH_SIMILARITIES:
            columns: dict[str, Any] = {
                "layer": each.layer,
                "kernel": kernel,
                "similarity": name,
                "image": names[first],
                "other_image": names[second],
                "value": getattr(each, name)[first, second],
            }
            if name == "semantic":
                columns |= {"high": each.upper[first, second], "null": each.null.mean}
                columns["excess"] = columns["value"] - each.null.mean
                for part in ("any_matching", "best_matching_adds"):
                    values = getattr(gram, part)[first, second]
                    columns[part] = np.divide(values, norms, out=np.zeros_like(values), where=norms > 0)
            blocks.append(data_frame(columns))
    return pandas.concat(blocks, ignore_index=True)


def to_rdms(ids: Sequence[str], found: Iterable[Similarities], kernel: str, matcher: str) -> Any:
    """Return (K_ii + K_jj) / 2 - K_ij of all layers and similarities as `rsatoolbox.rdm.RDMs`.

    Args:
        ids: of the N images.
        found: of each layer; computed while they are taken.
        kernel: its name.
        matcher: its name.
    """
    rdm = optional("rsatoolbox.rdm")
    layers = list(found)
    stacked = _stacked(layers).reshape(-1, len(ids), len(ids))
    own = np.diagonal(stacked, axis1=1, axis2=2)
    distances = (own[:, :, None] + own[:, None, :]) / 2 - stacked
    upper = np.triu_indices(len(ids), 1)
    return rdm.RDMs(
        distances[:, *upper],
        dissimilarity_measure=f"(K_ii + K_jj) / 2 - K_ij, {kernel}",
        descriptors={"matcher": matcher},
        rdm_descriptors={
            "layer": np.repeat([each.layer for each in layers], len(PATCH_SIMILARITIES)).tolist(),
            "similarity": list(PATCH_SIMILARITIES) * len(layers),
        },
        pattern_descriptors={"image": list(ids)},
    )


def _stacked(layers: Sequence[Similarities]) -> NDArray[np.float64]:
    """Return (layers, 3, N, N)."""
    return np.array([[getattr(each, name) for name in PATCH_SIMILARITIES] for each in layers])
