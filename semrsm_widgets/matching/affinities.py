"""Affinities as the solvers read them: many pairs in one flat array, rows in whole vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets.common import message

from .token_set import read_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLUMN_MULTIPLE = 16  # the auction reads rows in whole vectors of 16


@dataclass(frozen=True, eq=False)
class Affinities:
    """P affinities of S x T that lie in one flat array: entry (i, j) of pair k is flat[starts[k] + i * stride + j].

    Every row may be read up to a multiple of 16 columns; what lies there is finite and means nothing. Where S < T, the
    rows that are missing are read from the last `padded(T)` entries of the array, which are zeros. No value of a
    matching is further from that of the tokens they were made of than `rounding`, in units of ‖X‖‖Y‖.
    """

    flat: NDArray[Any]
    starts: NDArray[np.int64]
    stride: int
    rows: int
    columns: int
    rounding: float = 0.0

    @classmethod
    def read(cls, affinity: Any) -> Affinities:
        """Return given affinities (..., S, T), checked to be finite, batch axes flattened, rows in whole vectors."""
        array = np.ascontiguousarray(read_array("affinity", affinity))
        if array.ndim < 2 or 0 in array.shape[-2:]:
            raise ValueError(message("affinity", "of shape (..., S, T) with S and T at least 1", str(array.shape)))
        rows, columns = array.shape[-2:]
        width = padded(columns)
        flat = array.reshape(-1)
        count = flat.size // (rows * columns)
        if width != columns or rows < columns:
            flat = np.zeros(count * rows * width + width, array.dtype)
            flat[: count * rows * width].reshape(count * rows, width)[:, :columns] = array.reshape(-1, columns)
        starts = np.arange(count, dtype=np.int64) * (rows * width)
        return cls(flat, starts, width, rows, columns)

    def stacked(self) -> NDArray[Any]:
        """Return all affinities (P, S, T) as an array of their own."""
        return (
            np.stack([self[k] for k in range(len(self))])
            if len(self)
            else np.zeros((0, self.rows, self.columns), self.flat.dtype)
        )

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, k: int) -> NDArray[Any]:
        """Return a view (S, T) of one affinity."""
        item = self.flat.itemsize
        view = self.flat[self.starts[k] :]
        return np.lib.stride_tricks.as_strided(
            view, (self.rows, self.columns), (self.stride * item, item), writeable=False
        )


def padded(size: int) -> int:
    """Return `size` rounded up to whole vectors."""
    return -(-size // COLUMN_MULTIPLE) * COLUMN_MULTIPLE
