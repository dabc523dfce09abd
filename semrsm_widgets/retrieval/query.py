"""What is looked up among images: a whole picture or a box of its patches; and rankings of one's own beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets.common import message
from semrsm_widgets.rsm import SIMILARITIES
from semrsm_widgets.statistics import check_matrix
from semrsm_widgets.tokens import PatchBox

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semrsm_widgets.tokens import Tokens


@dataclass(frozen=True, eq=False, kw_only=True)
class Query:
    """What is looked up among the images.

    Attributes:
        key: tells one query from another; the index of an image, anything hashable for a picture from outside.
        index: the image's position in the set; None for a picture from outside.
        tokens: layer -> Tokens of the one picture from outside; None for an image of the set.
        labels: what the query shows; empty if that is not known.
        box: (row0, column0, row1, column1) in tokens, half-open: only these patches are looked up; None for all.
    """

    key: Any
    index: int | None
    tokens: Mapping[str, Tokens] | None = None
    labels: frozenset[str] = frozenset()
    box: PatchBox | None = None


def check_rankings(rankings: Any, images: int) -> dict[str, NDArray[np.float64]]:
    """Return rankings of one's own, each checked to be similarities (N, N)."""
    if rankings is None:
        return {}
    if not isinstance(rankings, Mapping) or not all(isinstance(name, str) and name for name in rankings):
        todo = 'Give it a name: rankings={"mine": K}.'
        raise TypeError(message("rankings", "a mapping from names to similarities (N, N)", rankings, todo))
    checked = {}
    for name, value in rankings.items():
        if name in SIMILARITIES:
            raise ValueError(message("rankings", f"named otherwise than {', '.join(SIMILARITIES)}", repr(name)))
        matrix = check_matrix(f"rankings[{name!r}]", value)
        if matrix.shape != (images, images):
            todo = "Row i holds the similarities of image i to all images, in the order of the images."
            expected = f"similarities ({images}, {images}), larger is more similar"
            raise ValueError(message(f"rankings[{name!r}]", expected, str(matrix.shape), todo))
        checked[name] = matrix
    return checked
