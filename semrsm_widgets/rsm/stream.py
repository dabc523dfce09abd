"""An RSM over a Gram in a store, some rows at a time: for what is a sum over its entries."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from semrsm_widgets.common import check_int, message

from .gram import MatchedGram
from .kernels import Kernel, check_gram, check_kernel, kernel_key, kernel_name, rbf, rbf_sigma
from .lazy_gram import LazyGram

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BYTES = 6 * 8
"""Of an entry while a block is made: three of the Gram, its value, and what kernels make on the way."""

_TILE = 256
"""Rows of a tile, most often."""


class StreamedRSM:
    """An RSM (N, N) of which a block of rows is read at a time; `cka`, `rsa` and `jackknife` take it as they take one.

    Args:
        gram: in a store, or in memory.
        kernel: `cosine`, `inner_product`, or `rbf`, also `partial(rbf, sigma=...)`; without σ the Gram is first gone
            through for `rbf_sigma`.
        memory: bytes of a block, about.

    Raises:
        UndefinedKernelError: σ is to be derived and cannot be: see `rbf_sigma`.
        ValueError: another kernel, which may depend on the whole Gram.

    Example:
        >>> a, b = (srsm.StreamedRSM(srsm.open_gram(store)) for store in ("a.zarr", "b.zarr"))
        >>> srsm.cka(a, b)
    """

    def __init__(self, gram: MatchedGram, kernel: Kernel, *, memory: int = 2**28) -> None:
        memory = check_int("memory", memory, minimum=1)
        if kernel is rbf:
            limited = gram.within(max(memory, _BYTES * gram.shape[1])) if isinstance(gram, LazyGram) else gram
            kernel = partial(rbf, sigma=rbf_sigma(limited))
        if kernel_key(check_kernel(kernel)) is None:
            todo = "Others may depend on the whole Gram: apply them to a part of it, gram.select(rows, columns) or "
            todo += "analysis.select(images), or allow more memory=..."
            expected = "cosine, inner_product, rbf or partial(rbf, sigma=...), for blocks of rows"
            raise ValueError(message("kernel", expected, kernel_name(kernel), todo))
        self._gram, self._kernel = check_gram(gram), kernel
        self._memory = memory

    def __repr__(self) -> str:
        n, m = self.shape
        return f"StreamedRSM({kernel_name(self._kernel)}, {n} x {m})"

    @property
    def shape(self) -> tuple[int, int]:
        """(N, M)."""
        return self._gram.shape

    def row_blocks(self) -> list[slice]:
        """Return the rows that are read together."""
        count, width = self.shape
        step = max(1, self._memory // (_BYTES * max(1, width)))
        step = max(step // _TILE * _TILE, min(step, _TILE))  # whole tiles, which are read once then
        return [slice(first, min(first + step, count)) for first in range(0, count, step)]

    def blocks(self) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """Yield rows (n, M) float64 from the top, with which they are."""
        for rows in self.row_blocks():
            yield rows, self._kernel(self._gram.select(range(rows.start, rows.stop), None))
