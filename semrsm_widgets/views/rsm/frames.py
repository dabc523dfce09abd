"""What the browser gets of one layer under one kernel: a frame, from which it draws every heatmap by itself.

RSMs are symmetric, so a frame carries upper triangles (row by row, with the diagonal): float32 up to `EXACT_IMAGES`
images, above that 16-bit steps between each matrix's own least and largest value. The page orders, subtracts and
colours.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
from scipy.spatial.distance import squareform

from semrsm_widgets.common import natural_key
from semrsm_widgets.figures import finite_range
from semrsm_widgets.images import sorted_labels
from semrsm_widgets.retrieval import label_auc
from semrsm_widgets.rsm import PATCH_SIMILARITIES
from semrsm_widgets.views.base import Message, is_exact

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semrsm_widgets.common import Matrix
    from semrsm_widgets.images import Images
    from semrsm_widgets.rsm import Similarities


# 65,534 steps; the last 16-bit number is "not computed".
_STEPS = 65534
# Above this many images the leaves of a cluster tree stand as the linkage leaves them: ordering them takes O(N³).
_MOST_ORDERED = 500


def frame_bytes(images: int) -> int:
    """Return about how many bytes the frame of so many images has."""
    triangle = images * (images + 1) // 2
    return triangle * (4 * 4 if is_exact(images) else 2 * 3)


def full_frame(similarities: Similarities, kernel: str, images: Images) -> Message:
    """Return the frame of a layer whose semantic RSM is there."""
    matrices = {name: getattr(similarities, name) for name in (*PATCH_SIMILARITIES, "upper")}
    return _frame(
        matrices,
        layer=similarities.layer,
        kernel=kernel,
        complete=True,
        null=similarities.null,
        sigma=similarities.sigma,
        auc=_label_aucs(matrices, images),
    )


def partial_frame(layer: str, kernel: str, aligned: Matrix, pooled: Matrix) -> Message:
    """Return the frame of a layer whose semantic RSM is still to come."""
    return _frame({"aligned": aligned, "pooled": pooled}, layer=layer, kernel=kernel, complete=False)


def _frame(matrices: Mapping[str, Matrix], **facts: Any) -> Message:
    size = len(next(iter(matrices.values())))
    exact = is_exact(size)
    sent = {name: matrix for name, matrix in matrices.items() if exact or name != "upper"}
    triangle = _triangle(size)
    rows, packed = [], {}
    for name, matrix in sent.items():
        values = matrix[triangle]
        low, high = finite_range(values)
        rows.append({"name": name, "low": low, "high": high, "off_diagonal": finite_range(matrix[_triangle(size, 1)])})
        packed[name] = values if exact else steps(values, low, high)
    return Message.of("frame", arrays=packed, **facts, exact=exact, matrices=rows)


@functools.lru_cache(maxsize=2)
def _triangle(size: int, first: int = 0) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    return np.triu_indices(size, first)


def steps(values: NDArray[np.floating], low: float, high: float) -> NDArray[np.uint16]:
    """Return values as 16-bit steps from low to high."""
    scaled = (values - low) / (high - low if high > low else 1.0) * _STEPS
    return np.where(np.isfinite(values), np.rint(np.clip(scaled, 0, _STEPS)), _STEPS + 1).astype("<u2")


def _label_aucs(matrices: Mapping[str, Matrix], images: Images) -> dict[str, float] | None:
    """Return the `label_auc` of each similarity; None where nothing is labelled."""
    if images.labels is None or not any(images.labels):
        return None
    found = {name: label_auc(matrices[name], images.labels) for name in PATCH_SIMILARITIES}
    return {name: value for name, value in found.items() if np.isfinite(value)}


def label_order(images: Images) -> list[int]:
    """Return the images by label, in their own order within each; the unlabelled come last."""
    if images.labels is None:
        return list(range(len(images)))
    keys = [(not labels, [natural_key(name) for name in sorted_labels(labels)]) for labels in images.labels]
    return sorted(range(len(images)), key=keys.__getitem__)


def cluster_order(semantic: Matrix) -> list[int]:
    """Return the images so that alike ones stand together: the leaves of average linkage on (largest value - value)."""
    if len(semantic) < 3:
        return list(range(len(semantic)))
    distances = semantic.max() - semantic
    np.fill_diagonal(distances, 0)
    condensed = squareform(distances, checks=False)
    tree = linkage(condensed, "average")
    if len(semantic) <= _MOST_ORDERED:
        tree = optimal_leaf_ordering(tree, condensed)
    return [int(k) for k in leaves_list(tree)]
