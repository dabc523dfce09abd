"""A matched Gram in a store, of which the tiles are read that are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets.common import Matrix, cached_property
from semrsm_widgets.matching import Fallbacks
from semrsm_widgets.storage import GramStore

from .gram import MatchedGram, mirrored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class StoredGram(MatchedGram):
    """A matched Gram in a store: `select` reads the tiles that it needs, everything else reads all of it once."""

    def __init__(self, store: GramStore) -> None:
        x_means = store.side("x_means")
        y = "x" if store.form.symmetric else "y"
        y_means = x_means if y == "x" else store.side("y_means")
        float64, exact = store.fallbacks()
        known: dict[str, Any] = {
            "x_sq_norms": store.side("x_sq_norms"),
            "y_sq_norms": store.side(f"{y}_sq_norms"),
            "x_pooled_sq_norms": np.square(x_means).sum(1),
            "y_pooled_sq_norms": np.square(y_means).sum(1),
            "sizes": store.form.sizes,
            "symmetric": store.form.symmetric,
            "matcher": store.form.matcher,
            "fallbacks": Fallbacks(float64=float64, exact=exact),
            "width_from": None,
            "_store": store,
            "_means": (x_means, y_means),
        }
        for name, value in known.items():
            object.__setattr__(self, name, value)

    _store: GramStore
    _means: tuple[NDArray[np.float64], NDArray[np.float64]]

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, in {self._store.place.label!r})"

    @property
    def shape(self) -> tuple[int, int]:
        """(N, M)."""
        return self._store.form.shape

    @property
    def products(self) -> Matrix:
        """(N, M) float64: M_ij."""
        return self._whole.products

    @property
    def upper_bound(self) -> Matrix:
        """(N, M) float64: no matching is worth more."""
        return self._whole.upper_bound

    @property
    def pooled_products(self) -> Matrix:
        """(N, M) float64: <x̄_i, ȳ_j>."""
        return self._whole.pooled_products

    def select(self, rows: Sequence[int] | None = None, columns: Sequence[int] | None = None) -> MatchedGram:
        """Return the Gram of some images on either side, in memory; only tiles that hold them are read."""
        form = self._store.form
        i, j = (
            np.arange(count) if chosen is None else np.arange(count)[np.asarray(chosen, dtype=np.intp)]
            for chosen, count in zip((rows, columns), form.shape, strict=True)
        )
        both = np.empty((2, len(i), len(j)))
        for top in np.unique(i // form.block).tolist():
            for left in np.unique(j // form.block).tolist():
                here = np.ix_(np.flatnonzero(i // form.block == top), np.flatnonzero(j // form.block == left))
                inside = i[here[0][:, 0]] - top * form.block, j[here[1][0]] - left * form.block
                below = form.symmetric and top > left
                first, second = (left, top) if below else (top, left)
                tile = self._store.tile(first * form.block, second * form.block)
                tile = tile.transpose(0, 2, 1) if below else tile
                for k in range(2):
                    both[k][here] = tile[k][np.ix_(*inside)]
        pooled = self._means[0][i] @ self._means[1][j].T
        symmetric = self.symmetric and np.array_equal(i, j)
        return MatchedGram(
            products=both[0],
            upper_bound=both[1],
            pooled_products=mirrored(pooled, self.x_pooled_sq_norms[i]) if symmetric else pooled,
            x_sq_norms=self.x_sq_norms[i],
            y_sq_norms=self.y_sq_norms[j],
            x_pooled_sq_norms=self.x_pooled_sq_norms[i],
            y_pooled_sq_norms=self.y_pooled_sq_norms[j],
            sizes=self.sizes,
            symmetric=symmetric,
            matcher=self.matcher,
            fallbacks=self.fallbacks,
        )

    @cached_property
    def _whole(self) -> MatchedGram:
        return self.select()

    def at_upper_bound(self) -> MatchedGram:
        """Return the Gram with every product at its upper bound, in memory."""
        return self._whole.at_upper_bound()

    def centred(self) -> MatchedGram:
        """Return the Gram of the mean-free tokens, in memory."""
        return self._whole.centred()

    def pooled(self) -> MatchedGram:
        """Return the Gram of the mean tokens, in memory."""
        return self._whole.pooled()

    def scaled(self, factor: float) -> MatchedGram:
        """Return the Gram of tokens multiplied by sqrt(factor), in memory."""
        return self._whole.scaled(factor)


def open_gram(store: Any) -> MatchedGram:
    """Return the matched Gram in a store that `matched_gram(..., store=...)` wrote.

    `select(rows, columns)` reads the tiles that it needs. Kernels, `products` and what else wants all of it read all.

    Args:
        store: the path of a folder or of a zip file, a URL, or a Zarr store or group.

    Raises:
        ImportError: zarr is not installed.
        FileNotFoundError: there is no store.
        ValueError: it holds something else, is of a newer version, or not all tiles are there yet.

    Example:
        >>> gram = srsm.open_gram("rsm.zarr")
        >>> srsm.cosine(gram.select(range(100), range(100)))
    """
    return StoredGram(GramStore.open(store))
