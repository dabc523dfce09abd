"""RSMs that are read block by block, as those of Grams in a store are."""

from __future__ import annotations

import numpy as np


class Blocks:
    """A matrix, some rows at a time."""

    def __init__(self, matrix, step=5):
        self.matrix, self.step, self.shape = np.asarray(matrix, dtype=float), step, np.shape(matrix)

    def blocks(self):
        for first in range(0, len(self.matrix), self.step):
            rows = slice(first, min(first + self.step, len(self.matrix)))
            yield rows, self.matrix[rows].copy()
