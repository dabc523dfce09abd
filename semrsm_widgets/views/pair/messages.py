"""What PairView sends to the browser: numbers of one pair, by name, so that no hover and no choice asks the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semrsm_widgets.analysis import Matches
    from semrsm_widgets.rsm import NullLevel

_FACTS = ("aligned", "semantic", "upper", "pooled", "pooled_part", "same_position", "class_token")


def matches_message(kind: str, matches: Matches, null: NullLevel | None = None) -> tuple[dict[str, Any], list[bytes]]:
    """Return the content and the buffers of a message with everything of a pair.

    The content names its buffers in `arrays`, as [name, type] in order. Types are those of JavaScript's typed arrays.
    """
    facts = {name: _finite(getattr(matches, name)) for name in _FACTS}
    level = None if null is None else {"mean": null.mean, "quantile95": null.quantile95, "n": null.n}
    arrays = _arrays(matches)
    content = {
        "kind": kind,
        "layer": matches.layer,
        "pair": list(matches.pair),
        "grid": matches.grid,
        "otherGrid": matches.other_grid,
        "null": level,
        **facts,
        "nearest_value": matches.nearest.value,
        "arrays": [[name, _TYPES[array.dtype.name]] for name, array in arrays.items()],
    }
    return content, [array.tobytes() for array in arrays.values()]


_TYPES = {"int32": "Int32Array", "float32": "Float32Array", "uint8": "Uint8Array"}


def _arrays(matches: Matches) -> dict[str, NDArray[Any]]:
    """Return the arrays of a message: what there is of each similarity, for each token."""
    arrays: dict[str, NDArray[Any]] = {
        "permutation": matches.permutation.astype(np.int32),
        "inverse": matches.inverse.astype(np.int32),
        "cosine": matches.token_cosine.astype(np.float32),
        "contribution": matches.contribution.astype(np.float32),
        "ambiguous": matches.ambiguous().astype(np.uint8),
        "nearest": matches.nearest.partner.astype(np.int32),
        "nearest_cosine": matches.nearest.token_cosine.astype(np.float32),
        "nearest_contribution": matches.nearest.contribution.astype(np.float32),
    }
    for name, similarity in (("aligned", "same position"), ("pooled", "mean token")):
        split = matches.splits.get(similarity)
        if split is not None:
            arrays[f"{name}_cosine"] = split.token_cosine.astype(np.float32)
            arrays[f"{name}_contribution"] = split.contribution.astype(np.float32)
    mean = matches.split("mean token")
    arrays["other_pooled_cosine"] = mean.other_token_cosine.astype(np.float32)
    arrays["other_pooled_contribution"] = mean.other_contribution.astype(np.float32)
    return arrays


def _finite(value: float) -> float | None:
    """Return a number as JSON can carry it."""
    return value if np.isfinite(value) else None
