"""RSMs for other libraries: data frames, xarray's labelled arrays and rsatoolbox's RDMs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets.common import frame, optional
from semrsm_widgets.rsm import kernel_name

from .provenance import provenance_card

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semrsm_widgets.rsm import Kernel

    from .analysis import Analysis

SIMILARITIES = ("aligned", "semantic", "pooled")


def to_xarray(analysis: Analysis, kernel: Kernel) -> Any:
    """Return (layer, similarity, image, other_image) similarities as an `xarray.DataArray`."""
    xarray = optional("xarray")
    ids = list(analysis.images.ids)
    return xarray.DataArray(
        _stacked(analysis, kernel),
        dims=("layer", "similarity", "image", "other_image"),
        coords={
            "layer": list(analysis.layers),
            "similarity": list(SIMILARITIES),
            "image": ids,
            "other_image": ids,
            "null_mean": ("layer", [analysis.null(layer, kernel).mean for layer in analysis.layers]),
        },
        name=kernel_name(kernel),
        attrs={"provenance": json.dumps(provenance_card(analysis), ensure_ascii=False)},
    )


def to_frame(analysis: Analysis, kernel: Kernel) -> Any:
    """Return a line for each layer, similarity and pair of images i < j as a `pandas.DataFrame`."""
    first, second = np.triu_indices(len(analysis), 1)
    ids = np.array(analysis.images.ids, dtype=object)
    blocks = []
    for layer in analysis.layers:
        found, gram = analysis.similarities(layer, kernel), analysis.gram(layer)
        norms = gram.norms[first, second]
        for name in SIMILARITIES:
            columns: dict[str, Any] = {
                "layer": layer,
                "kernel": kernel_name(kernel),
                "similarity": name,
                "image": ids[first],
                "other_image": ids[second],
                "value": getattr(found, name)[first, second],
            }
            if name == "semantic":
                columns |= {"high": found.upper[first, second], "null": found.null.mean}
                columns["excess"] = columns["value"] - found.null.mean
                for part, products in (("pooled_part", gram.pooled_part), ("matched_part", gram.matched_part)):
                    values = products[first, second]
                    columns[part] = np.divide(values, norms, out=np.zeros_like(values), where=norms > 0)
            blocks.append(frame(columns))
    return optional("pandas").concat(blocks, ignore_index=True)


def to_rdms(analysis: Analysis, kernel: Kernel) -> Any:
    """Return (K_ii + K_jj) / 2 - K_ij of all layers and similarities as `rsatoolbox.rdm.RDMs`."""
    rdm = optional("rsatoolbox.rdm")
    stacked = _stacked(analysis, kernel).reshape(-1, len(analysis), len(analysis))
    own = np.diagonal(stacked, axis1=1, axis2=2)
    distances = (own[:, :, None] + own[:, None, :]) / 2 - stacked
    upper = np.triu_indices(len(analysis), 1)
    return rdm.RDMs(
        distances[:, *upper],
        dissimilarity_measure=f"(K_ii + K_jj) / 2 - K_ij, {kernel_name(kernel)}",
        descriptors={"matcher": repr(analysis.matcher)},
        rdm_descriptors={
            "layer": np.repeat(analysis.layers, len(SIMILARITIES)).tolist(),
            "similarity": list(SIMILARITIES) * len(analysis.layers),
        },
        pattern_descriptors={"image": list(analysis.images.ids)},
    )


def _stacked(analysis: Analysis, kernel: Kernel) -> NDArray[np.float64]:
    """Return (layers, 3, N, N)."""
    found = (analysis.similarities(layer, kernel) for layer in analysis.layers)
    return np.array([[getattr(each, name) for name in SIMILARITIES] for each in found])
