"""A number with its interval: what every analysis reports, and why it is missing where it is not defined."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan, nan, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit, logit, stdtrit

from semrsm_widgets.common import Row, check_number, message, read_numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVEL = 0.95
"""Coverage of the intervals."""
UNIT = (0.0, 1.0)
"""The bounds of shares: F1, average precision, AUC, top-1."""
SYMMETRY = 1e-9
"""How far an entry of a matrix of integers may be from its mirror image, relative to the largest entry."""
_TILE = 128
"""Rows and columns that are held against their mirror image at a time."""


class UndefinedStatisticError(ValueError):
    """A statistic has no value for these data, such as the correlation with a constant."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Statistic(Row):
    """A value with its interval.

    Attributes:
        value: the value; NaN where it is undefined.
        low: lower end of the 95 % interval; NaN where there is none.
        high: upper end.
        n: how many independent units it rests on: images or queries, never pairs.
        reason: why the value or the interval is NaN; else empty.
    """

    value: float
    low: float = nan
    high: float = nan
    n: int
    reason: str = ""

    def __repr__(self) -> str:
        value = "undefined" if isnan(self.value) else f"{self.value:.4g}"
        interval = "" if isnan(self.low) else f" [{self.low:.4g}, {self.high:.4g}]"
        return f"Statistic({value}{interval}, n={self.n}{self.reason and f'; {self.reason}'})"


def undefined(reason: str | Exception, n: int) -> Statistic:
    """Return the statistic that has no value, with the reason."""
    return Statistic(value=nan, n=n, reason=str(reason))


def from_replicates(
    value: float,
    replicates: NDArray[np.float64],
    *,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    level: float = LEVEL,
) -> Statistic:
    """Return a value with the interval of its delete-one jackknife.

    The standard error is sqrt((n - 1) / n Σ_i (θ_i - θ̄)²) over the n replicates that leave out one unit each; the
    interval is value ± t_{n-1} standard errors, cut at the bounds of the statistic.

    The interval of a share (bounds 0 and 1) is built on the logit scale, with the standard error divided by
    value (1 - value): near 1 the plain one covered .90 in `benchmarks/intervals.py`, this one .93 to .95.

    A share that is 0 or 1 whichever unit is left out has no spread to estimate from, yet n units do not make it
    certain: its interval is the exact binomial one of n out of n (Clopper & Pearson 1934).

    Args:
        value: the statistic of all units.
        replicates: (n,) the statistic without unit i.
        bounds: what the statistic cannot exceed.
        level: coverage in (0, 1).

    References:
        Efron & Tibshirani, *An Introduction to the Bootstrap* (1993), eq. 11.5.
    """
    check_number("level", level, above=0, maximum=1 - 1e-9)
    n = len(replicates)
    missing = int(np.isnan(replicates).sum())
    if n < 2 or missing:
        why = "needs two units" if n < 2 else f"undefined without {missing} of the {n} units"
        return Statistic(value=float(value), n=n, reason=f"no interval: {why}")
    error = np.sqrt((n - 1) / n * np.square(replicates - replicates.mean()).sum())
    half = float(stdtrit(n - 1, (1 + level) / 2) * error)
    low, high = (float(np.clip(end, *bounds)) for end in (value - half, value + half))
    if bounds == UNIT and 0 < value < 1:
        steps = np.array([-half, half]) / (value * (1 - value))
        low, high = map(float, expit(logit(value) + steps))
    elif bounds == UNIT and error == 0:
        reach = ((1 - level) / 2) ** (1 / n)
        low, high = (reach, 1.0) if value == 1 else (0.0, 1 - reach)
    return Statistic(value=float(value), low=low, high=high, n=n)


def mean_of(values: NDArray[np.float64], *, bounds: tuple[float, float] = (-np.inf, np.inf)) -> Statistic:
    """Return the mean of independent values with its t interval; for a mean that is what the jackknife gives."""
    n = len(values)
    if n == 0:
        return undefined("nothing to average", 0)
    without = (values.sum() - values) / (n - 1) if n > 1 else np.full(1, nan)
    return from_replicates(float(values.mean()), without, bounds=bounds)


def check_matrix(name: str, value: Any, *, least: int = 1) -> NDArray[np.float64]:
    """Return a finite matrix (N, M) as float64, a copy: of an array or tensor of any type and device.

    Raises:
        TypeError: not numbers.
        ValueError: not two axes, fewer than `least` rows, NaN or infinity.
    """
    return _read(name, value, least)[0]


def check_rsm(name: str, value: Any, *, least: int) -> NDArray[np.float64]:
    """Return a square symmetric RSM as float64: symmetric within the rounding of its type, and then exactly.

    Other tools compute both triangles, each with its own rounding: an entry may be √ε of the largest away from its
    mirror image, with the ε of the type that it was computed in. (Distances of images that are nearly alike are that
    far off where they come from squared norms.) Numbers that float32 holds exactly were computed in it, whatever type
    they have now.

    Raises:
        TypeError: not numbers.
        ValueError: not a matrix, not square, not symmetric, fewer than `least` images, NaN or infinity.
    """
    matrix, rounding = _read(name, value, least)
    if matrix.shape[0] != matrix.shape[1]:
        raise ValueError(message(name, "an RSM of a set with itself (N, N)", str(matrix.shape)))
    worst, i, j = _largest_asymmetry(matrix)
    if worst == 0:
        return matrix
    peak = float(np.abs(matrix).max())
    if worst > _asymmetry(matrix, rounding) * peak:
        got = f"{matrix[i, j]:.9g} at ({i}, {j}) and {matrix[j, i]:.9g} at ({j}, {i}), where the largest is {peak:.9g}"
        todo = "If the two are to be one similarity, give their mean: (K + K.T) / 2."
        raise ValueError(message(name, "symmetric", got, todo))
    even: NDArray[np.float64] = matrix / 2 + matrix.T / 2
    return even


def _largest_asymmetry(matrix: NDArray[np.float64]) -> tuple[float, int, int]:
    """Return how far an entry is from its mirror image at most, and where, the upper one.

    Tile by tile: a column of a large matrix that is read against its rows misses the processor's cache at each entry.
    """
    worst, row, column = 0.0, 0, 0
    for i in range(0, len(matrix), _TILE):
        for j in range(i, len(matrix), _TILE):
            one, other = matrix[i : i + _TILE, j : j + _TILE], matrix[j : j + _TILE, i : i + _TILE].T
            if np.array_equal(one, other):
                continue
            apart = np.abs(one - other)
            if i == j:
                apart = np.triu(apart)
            place = int(apart.argmax())
            if (most := float(apart.flat[place])) > worst:
                worst, row, column = most, i + place // apart.shape[1], j + place % apart.shape[1]
    return worst, row, column


def _read(name: str, value: Any, least: int) -> tuple[NDArray[np.float64], float]:
    """Return a finite matrix and the relative rounding of the type that it came in."""
    array, rounding = read_numbers(name, value)
    if array.dtype.kind not in "fiu":
        todo = "Convert it: x.astype(float)." if array.dtype == object else ""
        raise TypeError(message(name, "a matrix of real numbers", f"dtype {array.dtype}", todo))
    matrix = array.astype(np.float64)
    if matrix.ndim != 2:
        todo = ""
        if matrix.ndim == 1 and (n := _side(matrix.size)):
            todo = f"The {n} x {n} matrix of pairs in a row is scipy.spatial.distance.squareform(x)."
        elif matrix.ndim == 3:
            todo = "Give one matrix of these, such as x[0]."
        raise ValueError(message(name, "a matrix (N, M)", str(matrix.shape), todo))
    if min(matrix.shape) < least:
        todo = "Use more images: the statistic is not defined for fewer."
        raise ValueError(message(name, f"an RSM of at least {least} images", str(matrix.shape), todo))
    is_finite = np.isfinite(matrix)
    if not is_finite.all():
        bad = np.argwhere(~is_finite)
        where = ", ".join(map(str, bad[0]))
        todo = "Leave these images out, or find where the NaN comes from."
        if len(matrix) == matrix.shape[1] == len(bad) and (bad[:, 0] == bad[:, 1]).all():
            todo = "Only the diagonal is missing: fill it in, np.fill_diagonal(K, 1) for cosines."
        raise ValueError(message(name, "finite", f"{len(bad)} entries NaN or infinite, the first at ({where})", todo))
    return matrix, rounding


def _asymmetry(matrix: NDArray[np.float64], rounding: float) -> float:
    """Return how far an entry may be from its mirror image, as a part of the largest."""
    with np.errstate(over="ignore"):
        is_single = bool((matrix == matrix.astype(np.float32)).all())
    single = float(np.finfo(np.float32).eps)
    if rounding == 0:  # integers are exact
        return SYMMETRY
    return sqrt(max(rounding, single if is_single else float(np.finfo(np.float64).eps)))


def _side(pairs: int) -> int:
    """Return how many images have so many pairs; 0 if none."""
    n = round((1 + np.sqrt(1 + 8 * pairs)) / 2)
    return n if n > 2 and n * (n - 1) // 2 == pairs else 0
