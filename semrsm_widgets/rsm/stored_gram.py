"""A matched Gram in a store, of which the tiles are read that are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets.common import ProgressOption
from semrsm_widgets.matching import Fallbacks, Matcher
from semrsm_widgets.storage import GramStore, checksums, kind_of

from .gram import MatchedGram, mirrored
from .kernels import Kernel, cosine
from .lazy_gram import LazyGram, LazyPooledGram, chosen_images
from .overview import Overview, cosine_levels, overview_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor


class StoredGram(LazyGram):
    """A matched Gram in a store: `select` reads the tiles that it needs, everything else reads all of it."""

    def __init__(self, store: GramStore, *, most: int | None = None) -> None:
        rows, columns = store.rows
        x_means = store.side("x_means")[rows]
        y = "x" if store.form.symmetric else "y"
        y_means = x_means if y == "x" else store.side("y_means")[columns]
        float64, exact = store.fallbacks()
        super().__init__(
            shape=store.shape,
            most=most,
            x_sq_norms=store.side("x_sq_norms")[rows],
            y_sq_norms=store.side(f"{y}_sq_norms")[columns],
            x_pooled_sq_norms=np.square(x_means).sum(1),
            y_pooled_sq_norms=np.square(y_means).sum(1),
            sizes=store.form.sizes,
            symmetric=store.form.symmetric,
            matcher=store.form.matcher,
            fallbacks=Fallbacks(float64=float64, exact=exact),
            _store=store,
            _means=(x_means, y_means),
        )

    _store: GramStore
    _means: tuple[NDArray[np.float64], NDArray[np.float64]]

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, in {self._store.place.label!r})"

    def select(self, rows: Sequence[int] | None = None, columns: Sequence[int] | None = None) -> MatchedGram:
        """Return the Gram of some images on either side, in memory; only tiles that hold them are read."""
        form = self._store.form
        i, j = chosen_images((rows, columns), self.shape)
        self._check_room(len(i), len(j))
        both = np.empty((2, len(i), len(j)))
        own = self._store.rows[0][i], self._store.rows[1][j]  # where they stand in the store
        tops, lefts = own[0] // form.block, own[1] // form.block
        for top in np.unique(tops).tolist():
            for left in np.unique(lefts).tolist():
                here = np.ix_(np.flatnonzero(tops == top), np.flatnonzero(lefts == left))
                inside = own[0][here[0][:, 0]] - top * form.block, own[1][here[1][0]] - left * form.block
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

    def within(self, memory: int | None) -> StoredGram:
        """Return the same Gram, of which no more than so many bytes are read at once."""
        return StoredGram(self._store, most=memory)

    def pooled(self) -> MatchedGram:
        """Return the Gram of the mean tokens, which are in memory: nothing is read."""
        return LazyPooledGram(*self._means, symmetric=self.symmetric, most=self._most)

    def overview(self, kernel: Kernel = cosine, *, pooled: bool = False, progress: ProgressOption = None) -> Overview:
        """Return the RSM under a kernel from afar: any part of it, in cells no smaller than asked for.

        The levels of the cosine are made with the tiles. Those of other kernels, and of mean tokens, are made from the
        tiles when they are first asked for, and kept in the store; so are those that a killed call has not made.

        Args:
            kernel: `cosine`, `inner_product` or `partial(rbf, sigma=...)`.
            pooled: whether it is the RSM of the mean tokens, at the level of S tokens.
            progress: as for `matched_gram`, with (tiles done, tiles in all).

        Raises:
            ValueError: another kernel; levels that are missing in a store that cannot be written.
            BlockingIOError: levels that are missing in a store that somebody else is writing.

        Example:
            >>> srsm.open_gram("rsm.zarr").overview().window(slice(0, 20_000), slice(0, 20_000), 400).mean
        """
        gram = self.pooled().scaled(self.sizes[0]) if pooled else self
        return overview_of(gram, self._store, kernel, part="pooled" * pooled, progress=progress)


def open_gram(store: Any) -> StoredGram:
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


def kept_gram(store: Any, tokens: Tensor, matcher: Matcher) -> StoredGram | None:
    """Return the Gram of tokens (N, S, D) with themselves that is complete in a store; None where it is not.

    That its overview is there says that its tiles are: none of them is read.

    Raises:
        ValueError: the store is of other tokens or another matcher.
    """
    settings = {"x": kind_of(tokens), "y": "x itself", "matcher": repr(matcher)}
    found = GramStore.begun(store, settings, [checksums(tokens)])
    if found is None or not found.is_settled:
        return None
    return StoredGram(found) if not found.is_plain or cosine_levels(found).is_complete() else None
