"""Grams that are read where they are asked for: `select` reads a part, what needs all of it reads it once."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from semrsm_widgets.common import Matrix, cached_property, check_number, message
from semrsm_widgets.matching import Fallbacks, Identity, TokenSet, check_comparable

from .gram import MatchedGram, mirrored

if TYPE_CHECKING:
    from numpy.typing import NDArray

PAIR_BYTES = 3 * 8
"""Of a pair of a Gram in memory: its product, upper bound and pooled product."""
_WORK = 3
"""So many times these are held while rows are gone through."""
_TILE = 256
"""Rows of a tile, most often."""


class LazyGram(MatchedGram):
    """A matched Gram that is not in memory; kernels, `products` and what else wants all of it read it.

    It is read once and kept; where a limit is given (`within`), it is read anew each time, and not where it is larger.
    """

    _shape: tuple[int, int]
    _most: int | None

    def __init__(self, *, shape: tuple[int, int], most: int | None = None, **known: Any) -> None:
        for name, value in {**known, "width_from": None, "_shape": shape, "_most": most}.items():
            object.__setattr__(self, name, value)

    @property
    def shape(self) -> tuple[int, int]:
        """(N, M)."""
        return self._shape

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

    @abstractmethod
    def select(self, rows: Sequence[int] | None = None, columns: Sequence[int] | None = None) -> MatchedGram:
        """Return the Gram of some images on either side, in memory."""

    @abstractmethod
    def within(self, memory: int | None) -> Self:
        """Return the same Gram, of which no more than so many bytes are read at once."""

    @property
    def memory(self) -> int | None:
        """Bytes of it that may be read at once; None for all."""
        return self._most

    @property
    def fits(self) -> bool:
        """Whether all of it may be read into memory."""
        return self._most is None or PAIR_BYTES * self._shape[0] * self._shape[1] <= self._most

    def row_blocks(self) -> list[range]:
        """Return rows that may be read together with all columns, with room for what is made of them.

        Of a row that is too long alone, `select` says so.
        """
        n, m = self._shape
        step = n if self._most is None else max(1, self._most // (_WORK * PAIR_BYTES * max(1, m)))
        step = step // _TILE * _TILE or step  # whole tiles, which are read once then
        return [range(first, min(first + step, n)) for first in range(0, n, max(1, step))]

    @property
    def _whole(self) -> MatchedGram:
        return self._read if self._most is None else self.select()

    @cached_property
    def _read(self) -> MatchedGram:
        return self.select()

    def _check_room(self, rows: int, columns: int) -> None:
        """Raise where so many pairs take more than the limit."""
        needed = PAIR_BYTES * rows * columns
        if self._most is not None and needed > self._most:
            got = f"{rows:,} x {columns:,} pairs at once, which take {needed / 1e9:.2g} GB"
            todo = "Take fewer: gram.select(rows, columns), analysis.select(images); or allow more: memory=..."
            raise ValueError(message("gram", f"read in parts of at most {self._most / 1e9:.2g} GB", got, todo))

    def at_upper_bound(self) -> MatchedGram:
        """Return the Gram with every product at its upper bound, in memory."""
        return self._whole.at_upper_bound()

    def centred(self) -> MatchedGram:
        """Return the Gram of the mean-free tokens: in memory, or where that is too small read where it is asked for."""
        return self._whole.centred() if self.fits else LazyCentredGram(self)

    def pooled(self) -> MatchedGram:
        """Return the Gram of the mean tokens, in memory."""
        return self._whole.pooled()

    def scaled(self, factor: float) -> MatchedGram:
        """Return the Gram of tokens multiplied by sqrt(factor), in memory."""
        return self._whole.scaled(factor)


class LazyCentredGram(LazyGram):
    """The Gram of the mean-free tokens of another one: what is asked for is read of that."""

    _gram: LazyGram

    def __init__(self, gram: LazyGram) -> None:
        known = gram.select(range(0), range(0)).centred()  # raises where S and T differ
        sides = {"x": (gram.x_sq_norms, gram.x_pooled_sq_norms), "y": (gram.y_sq_norms, gram.y_pooled_sq_norms)}
        for name, (squares, pooled) in sides.items():
            rest = np.maximum(squares - gram.sizes[0] * pooled, 0)
            sides[name] = rest, np.zeros(len(rest))
        super().__init__(
            shape=gram.shape,
            most=gram.memory,
            x_sq_norms=sides["x"][0],
            y_sq_norms=sides["y"][0],
            x_pooled_sq_norms=sides["x"][1],
            y_pooled_sq_norms=sides["y"][1],
            sizes=gram.sizes,
            symmetric=gram.symmetric,
            matcher=known.matcher,
            fallbacks=gram.fallbacks,
            _gram=gram,
        )

    def select(self, rows: Sequence[int] | None = None, columns: Sequence[int] | None = None) -> MatchedGram:
        """Return the Gram of some images on either side, in memory."""
        return self._gram.select(rows, columns).centred()

    def within(self, memory: int | None) -> LazyCentredGram:
        """Return the same Gram, of which no more than so many bytes are read at once."""
        return LazyCentredGram(self._gram.within(memory))


class LazyPooledGram(LazyGram):
    """The Gram of one token an image, (N, D) and (M, D) float64: each part is multiplied when it is asked for."""

    _means: tuple[NDArray[np.float64], NDArray[np.float64]]
    _factor: float

    def __init__(
        self,
        x_means: NDArray[np.float64],
        y_means: NDArray[np.float64],
        *,
        symmetric: bool,
        factor: float = 1.0,
        most: int | None = None,
        matcher: str = "pooled",
    ) -> None:
        x, y = (factor * np.square(means).sum(1) for means in (x_means, y_means))
        super().__init__(
            shape=(len(x), len(y)),
            most=most,
            x_sq_norms=x,
            y_sq_norms=y,
            x_pooled_sq_norms=x,
            y_pooled_sq_norms=y,
            sizes=(1, 1),
            symmetric=symmetric,
            matcher=matcher,
            fallbacks=Fallbacks(),
            _means=(x_means, y_means),
            _factor=factor,
        )

    def select(self, rows: Sequence[int] | None = None, columns: Sequence[int] | None = None) -> MatchedGram:
        """Return the Gram of some images on either side, in memory."""
        i, j = chosen_images((rows, columns), self.shape)
        self._check_room(len(i), len(j))
        symmetric = self.symmetric and np.array_equal(i, j)
        products = self._factor * (self._means[0][i] @ self._means[1][j].T)
        products = mirrored(products, self.x_sq_norms[i]) if symmetric else products
        norms = {"x": self.x_sq_norms[i], "y": self.y_sq_norms[j]}
        return MatchedGram(
            products=products,
            upper_bound=products,
            pooled_products=products,
            x_sq_norms=norms["x"],
            y_sq_norms=norms["y"],
            x_pooled_sq_norms=norms["x"],
            y_pooled_sq_norms=norms["y"],
            sizes=(1, 1),
            symmetric=symmetric,
            matcher=self.matcher,
        )

    def within(self, memory: int | None) -> LazyPooledGram:
        """Return the same Gram, of which no more than so many bytes are read at once."""
        return self._with(most=memory)

    def pooled(self) -> MatchedGram:
        """Return the Gram itself: one token per image."""
        return self

    def scaled(self, factor: float) -> MatchedGram:
        """Return the Gram of tokens multiplied by sqrt(factor)."""
        return self._with(factor=self._factor * check_number("factor", factor, above=0))

    def _with(self, **other: Any) -> LazyPooledGram:
        """Return the same Gram, but for some options."""
        given = {"factor": self._factor, "most": self._most, "matcher": self.matcher, **other}
        return LazyPooledGram(*self._means, symmetric=self.symmetric, **given)


def token_gram(x: Any, y: Any = None, *, memory: int) -> LazyPooledGram:
    """Return the Gram of images of one token each, of which no more than so many bytes are made at once.

    Args:
        x: (N, 1, D) tokens, wherever they lie, as for `matched_gram`.
        y: (M, 1, D); None: x with itself.
        memory: bytes.

    Raises:
        ValueError: tokens that are no numbers, or of different D.
    """
    left = TokenSet.read("x", x)
    right = left if y is None else TokenSet.read("y", y)
    check_comparable(left, right)
    return LazyPooledGram(left.means, right.means, symmetric=y is None, most=memory, matcher=repr(Identity()))


def chosen_images(
    chosen: tuple[Sequence[int] | None, Sequence[int] | None], shape: tuple[int, int]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the images that rows and columns name (None: all of them), from the end where they are negative."""
    rows, columns = (
        np.arange(count) if some is None else np.arange(count)[np.asarray(some, dtype=np.intp)]
        for some, count in zip(chosen, shape, strict=True)
    )
    return rows, columns
