"""Comparisons of RSMs that are read block by block: CKA and Pearson's correlation, which are sums over entries.

Three passes: the mean of the entries, which is taken out first so that nothing cancels; the sums of `centred`; and the
products with row sums that the intervals take. One block of each RSM is held at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

import numpy as np

from semrsm_widgets.common import Meter, message

from .centred import RELATIVE_FLOOR, Centred
from .statistic import UndefinedStatisticError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Blocks = Iterator[tuple[slice, NDArray[np.float64]]]

CONSTANT_TODO = "Compare layers at which the images differ."


class RSMBlocks(Protocol):
    """A symmetric RSM (N, N) of which some rows are there at a time."""

    @property
    def shape(self) -> tuple[int, int]:
        """(N, N)."""

    def blocks(self) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """Yield rows (n, N) float64 from the top, with which they are; the same ones each time."""


class Told:
    """Tells a meter of the rows that are read of two RSMs, of so many in all."""

    def __init__(self, meter: Meter, total: int) -> None:
        self._meter, self._total, self._done = meter, total, 0

    def blocks(self, rsm: RSMBlocks) -> Blocks:
        """Yield the blocks of an RSM."""
        for rows, block in rsm.blocks():
            self._meter(self._done, self._total)
            yield rows, block
            self._done += rows.stop - rows.start


class ToldRSM:
    """An RSM that is read block by block, and of whose rows a meter is told."""

    def __init__(self, rsm: RSMBlocks, told: Told) -> None:
        self._rsm, self._told = rsm, told

    @property
    def shape(self) -> tuple[int, int]:
        """(N, N)."""
        return self._rsm.shape

    def blocks(self) -> Blocks:
        """Yield rows (n, N) float64 from the top, with which they are."""
        return self._told.blocks(self._rsm)


class Centring:
    """What is taken out of the entries of an RSM, and the power of two that they are divided by."""

    def __init__(self, name: str, blocks: Blocks, *, diagonal: bool) -> None:
        total, count, peak = 0.0, 0, 0.0
        low, high = np.inf, -np.inf
        for rows, block in blocks:
            check_finite(name, rows, block)
            counted = block[_counted(rows, block.shape[1], diagonal=diagonal)]
            total, count = total + float(counted.sum()), count + counted.size
            peak = max(peak, float(np.abs(block).max(initial=0)))
            low, high = min(low, float(counted.min(initial=np.inf))), max(high, float(counted.max(initial=-np.inf)))
        self.level, self.diagonal = total / max(1, count), diagonal
        self.exponent = -int(np.frexp(peak)[1])
        rounding = 8 * np.finfo(np.float64).eps * max(abs(low), abs(high))
        self.is_constant = max(high - self.level, self.level - low) <= rounding

    def of(self, rows: slice, block: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return rows of the mean-free RSM."""
        if self.is_constant:
            return np.zeros_like(block)
        rest = np.ldexp(block - self.level, self.exponent)
        if not self.diagonal:
            rest[np.arange(len(rest)), np.arange(rows.start, rows.stop)] = 0
        return rest


class UCentredRows:
    """`doubly_centred` of an RSM that is read block by block: one more pass finds the row sums."""

    def __init__(self, name: str, rsm: RSMBlocks) -> None:
        self._rsm, self._centring = rsm, Centring(name, rsm.blocks(), diagonal=False)
        sums = np.zeros(rsm.shape[0])
        for rows, block in rsm.blocks():
            sums[rows] = self._centring.of(rows, block).sum(1)
        n = len(sums)
        self._levels = sums / (n - 2) - sums.sum() / (2 * (n - 1) * (n - 2))

    @property
    def shape(self) -> tuple[int, int]:
        """(N, N)."""
        return self._rsm.shape

    def blocks(self) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """Yield rows (n, N) float64 from the top, with which they are."""
        for rows, block in self._rsm.blocks():
            part = self._centring.of(rows, block)
            part -= self._levels[rows, None] + self._levels  # added first: a pair's two entries are to stay one number
            part[np.arange(len(part)), np.arange(rows.start, rows.stop)] = 0
            yield rows, part


class RowsInFile:
    """An RSM that takes long to make, in a temporary file: read block by block, and gone when nobody holds it.

    Args:
        parts: blocks of rows (n, N), from the top.
        row_blocks: which rows these are.
        n: N.
    """

    def __init__(self, parts: Iterable[NDArray[np.float64]], row_blocks: Sequence[slice], n: int) -> None:
        self._rows, self._n = list(row_blocks), n
        self._file = TemporaryFile()  # noqa: SIM115  # it is open as long as the RSM is there
        for part in parts:
            self._file.write(np.ascontiguousarray(part, dtype=np.float64).data)

    @property
    def shape(self) -> tuple[int, int]:
        """(N, N)."""
        return self._n, self._n

    def blocks(self) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """Yield rows (n, N) float64 from the top, with which they are."""
        for rows in self._rows:
            self._file.seek(8 * self._n * rows.start)
            read = self._file.read(8 * self._n * (rows.stop - rows.start))
            yield rows, np.frombuffer(read, dtype=np.float64).reshape(-1, self._n)


def is_streamed(*rsms: Any) -> bool:
    """Return whether any of some RSMs is read block by block."""
    return any(_has_blocks(each) for each in rsms)


def _has_blocks(rsm: Any) -> TypeGuard[RSMBlocks]:
    """Return whether an RSM is read block by block; only its type is asked: a nested tensor raises at its shape."""
    return callable(getattr(type(rsm), "blocks", None))


def check_blocks(K: Any, L: Any, least: int) -> int:
    """Return how many images two RSMs are of, if both are read in blocks and fit each other."""
    for name, rsm in (("K", K), ("L", L)):
        if not _has_blocks(rsm):
            raise TypeError(
                message(name, "read in blocks as the other one is", rsm, "Make it with StreamedRSM(gram, kernel).")
            )
    n: int = K.shape[0]
    if K.shape != L.shape or n != K.shape[1]:
        raise ValueError(message("L", f"of the shape of K, {K.shape}, and square", str(L.shape)))
    if n < least:
        raise ValueError(message("K", f"of at least {least} images", f"{n}"))
    return n


def check_finite(name: str, rows: slice, block: NDArray[np.float64]) -> None:
    """Raise where some rows are not finite."""
    if not np.isfinite(block).all():
        raise ValueError(message(name, "finite", f"NaN or infinity in rows {rows.start} to {rows.stop - 1}"))


def streamed_alignment(
    product: Centred, K: Any, L: Any, *, intervals: bool = False
) -> tuple[float, NDArray[np.float64] | None]:
    """Return <K, L> / (‖K‖‖L‖) in a centred inner product, and (N,) the same without image i where asked for.

    Raises:
        TypeError: one of the two is not read in blocks.
        ValueError: RSMs of different sizes or in different blocks, too few images, NaN.
        UndefinedStatisticError: one is constant once centred.
    """
    check_blocks(K, L, product.least)
    with Meter("Comparing the RSMs", unit="rows") as meter:
        return _alignment(product, K, L, meter, intervals=intervals)


def _alignment(
    product: Centred, K: RSMBlocks, L: RSMBlocks, meter: Meter, *, intervals: bool
) -> tuple[float, NDArray[np.float64] | None]:
    """Return `streamed_alignment` of RSMs that fit; a meter is told of the rows that were read."""
    n = K.shape[0]
    told = Told(meter, 2 * n * (3 if intervals else 2))
    centring = (
        Centring("K", told.blocks(K), diagonal=product.diagonal),
        Centring("L", told.blocks(L), diagonal=product.diagonal),
    )
    pairs = ((0, 1), (0, 0), (1, 1))
    cross, row_sums, own = np.zeros((3, n)), np.zeros((2, n)), np.zeros((2, n))
    for rows, both in _together(centring, told.blocks(K), told.blocks(L)):
        for k, (a, b) in enumerate(pairs):
            cross[k, rows] = np.einsum("ij,ij->i", both[a], both[b])
        for k, block in enumerate(both):
            row_sums[k, rows] = block.sum(1)
            own[k, rows] = block[np.arange(len(block)), np.arange(rows.start, rows.stop)]

    def alignment(at: int, sums: NDArray[np.float64]) -> float:
        a, b = pairs[at]
        levels = product.rows(n) * (sums[a] @ sums[b]) - product.total(n) * sums[a].sum() * sums[b].sum()
        return float(cross[at].sum() - levels)

    shared, left, right = (alignment(k, row_sums) for k in range(3))
    for name, square, at in (("K", left, 1), ("L", right, 2)):
        if not square > RELATIVE_FLOOR * cross[at].sum():
            raise UndefinedStatisticError(message(name, "an RSM that varies", "a constant one", CONSTANT_TODO))
    value = float(np.clip(shared / np.sqrt(left * right), -1, 1))
    if not intervals:
        return value, None
    with_sums = np.zeros((2, 2, n))  # which matrix, times whose row sums
    for rows, blocks in _together(centring, told.blocks(K), told.blocks(L)):
        for k, block in enumerate(blocks):
            with_sums[k, :, rows] = row_sums @ block.T
    found = []
    for at, (a, b) in enumerate(pairs):
        m = n - 1
        k_rows, l_rows, k_own, l_own = row_sums[a], row_sums[b], own[a], own[b]
        entries = cross[at].sum() - 2 * cross[at] + k_own * l_own
        inner = k_rows @ l_rows - with_sums[b, a] - with_sums[a, b] + cross[at] - (k_rows - k_own) * (l_rows - l_own)
        totals = (k_rows.sum() - 2 * k_rows + k_own) * (l_rows.sum() - 2 * l_rows + l_own)
        found.append(entries - product.rows(m) * inner + product.total(m) * totals)
    varies = (found[1] > RELATIVE_FLOOR * cross[1].sum()) & (found[2] > RELATIVE_FLOOR * cross[2].sum())
    replicates: NDArray[np.float64] = np.full(n, np.nan)
    np.divide(found[0], np.sqrt(np.maximum(found[1] * found[2], 0)), out=replicates, where=varies)
    return value, replicates


def _together(
    centring: tuple[Centring, Centring], K: Blocks, L: Blocks
) -> Iterator[tuple[slice, tuple[NDArray[np.float64], NDArray[np.float64]]]]:
    for (rows, left), (same, right) in zip(K, L, strict=True):
        if rows != same:
            raise ValueError(message("L", "read in the blocks of K", f"rows {same}, where K has {rows}"))
        yield rows, (centring[0].of(rows, left), centring[1].of(rows, right))


def _counted(rows: slice, count: int, *, diagonal: bool) -> NDArray[np.bool_]:
    counted = np.ones((rows.stop - rows.start, count), bool)
    if not diagonal:
        counted[np.arange(len(counted)), np.arange(rows.start, rows.stop)] = False
    return counted
