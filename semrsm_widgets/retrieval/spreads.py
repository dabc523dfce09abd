"""An upper bound of what any matching of two images is worth, from their mean tokens and spreads alone.

Of n tokens a side, with means x̄, ȳ and, channel by channel, standard deviations σ, τ over the tokens, every matching π
has the value

    Σ_i <x_i, y_π(i)>  =  n <x̄, ȳ>  +  Σ_d Σ_i (x_id - x̄_d)(y_π(i)d - ȳ_d)  ≤  n <x̄, ȳ>  +  n Σ_d σ_d τ_d,

by the inequality of Cauchy and Schwarz in each channel d: a matching reorders the deviations and changes none of their
squares. The sides are n √(‖x̄‖² + ‖σ‖²) √(‖ȳ‖² + ‖τ‖²) = ‖X‖‖Y‖ at most, so it is never worse than the norms alone. An
image of fewer tokens than the other is filled up with zeros, as for the matching itself; in this way the bound holds
for regions, too. All pairs of Q queries and M images take two matrix products of D columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from semrsm_widgets.common import Meter
from semrsm_widgets.storage import Sketch
from semrsm_widgets.tokens import in_blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

_AT_ONCE = 2**20
"""Numbers of tokens that are read in float64."""
_IMAGES_AT_ONCE = 4096
_UNIT = 2.0**-53
_LEAST = 2.0**-1074
"""The least positive number: what a product that is too small for float64 is off by, at most."""


def sketch_of(values: torch.Tensor) -> Sketch:
    """Return the mean tokens and spreads of N images.

    Args:
        values: (N, S, D) tokens, of any floating type; of a store they are read block by block.
    """
    count, tokens, channels = values.shape
    sq_norms, means, spreads = np.zeros(count), np.zeros((count, channels)), np.zeros((count, channels), np.float32)
    step = max(1, _AT_ONCE // max(1, tokens * channels))
    with Meter("Looking at means and spreads", unit="images") as meter, np.errstate(over="ignore", invalid="ignore"):
        for here, block in in_blocks(values):
            for first in range(here.start, here.stop, step):
                meter(first, count)
                some = slice(first, min(first + step, here.stop))
                part = block[some.start - here.start : some.stop - here.start].cpu().double().numpy()
                mean = part.sum(1) / tokens
                deviations = part - mean[:, None]
                squares = np.square(deviations).sum(1)
                squares += tokens * _LEAST * (deviations != 0).any(1)  # of deviations below 1e-162 nothing is left
                sq_norms[some] = np.square(part).sum((1, 2))
                means[some], spreads[some] = mean, _rounded_up(np.sqrt(squares / tokens))
        meter(count, count)
    return Sketch(sq_norms, means, spreads)


def upper_products(queries: Sketch, database: Sketch, size: int, other: int) -> NDArray[np.float64]:
    """Return (Q, M) numbers that no matching of a query with an image is worth more than.

    The rounding is included, in units of ‖X‖‖Y‖ and of u = 2^-53, whatever the order of sums. A mean token is off by n
    in units of ‖X‖ / √n, so that deviations from it do not quite add up to zero: 2 n for both images, and as much again
    where zeros are added afterwards. Deviations are off by 1, the sums of their squares by n + 4, whose roots take
    half: n + 8 for both. Products of D means and of D spreads are off by D + 2. Spreads are stored rounded up. The
    norms, which bound everything and divide a cosine, are off by n D / 2 + 2 each. What is taken is twice that. Squares
    and products that are too small for float64 are off by the least positive number each.

    Args:
        queries: sketch of the queries, filled up to the larger of both sizes.
        database: sketch of M images of T tokens.
        size: tokens to which the queries were filled up, max(S, T).
        other: T.
    """
    upper = np.empty((len(queries), len(database)))
    channels = database.means.shape[1]
    norm_rounding = size * channels + 4
    slack = 2 * _UNIT * (4 * size + (size + 8) + (channels + 2) + norm_rounding)
    left_is_any, widest = _is_any(queries.means, queries.spreads), 1 + 2 * _UNIT * norm_rounding
    left_norms = np.sqrt(queries.sq_norms + size * channels * _LEAST * left_is_any)
    lost = 4 * size * (channels + 2) * _LEAST
    with np.errstate(over="ignore", invalid="ignore"):
        for first in range(0, len(database), _IMAGES_AT_ONCE):
            some = slice(first, first + _IMAGES_AT_ONCE)
            means, spreads = database.means[some], database.spreads[some].astype(np.float64)
            if other < size:  # zeros change the mean, and add its square to the spread
                share = other / size
                spreads = np.sqrt(share * (np.square(spreads) + (1 - share) * np.square(means)))
                means = share * means
            is_any = _is_any(database.means[some], database.spreads[some])
            sq_norms = database.sq_norms[some] + size * channels * _LEAST * is_any
            norms = np.multiply.outer(left_norms, np.sqrt(sq_norms))
            bound = size * (queries.means @ means.T + queries.spreads.astype(np.float64) @ spreads.T) + slack * norms
            upper[:, some] = np.minimum(np.where(np.isnan(bound), np.inf, bound), norms * widest)
            upper[:, some] += lost * np.multiply.outer(left_is_any, is_any)
    return np.where(np.isnan(upper), np.inf, upper)


def _is_any(means: NDArray[np.float64], spreads: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which images have a token that is not zero."""
    found: NDArray[np.bool_] = ((means != 0) | (spreads != 0)).any(1)
    return found


def _rounded_up(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return float32 numbers that are none smaller."""
    nearest = values.astype(np.float32)
    return np.where(nearest < values, np.nextafter(nearest, np.float32(np.inf)), nearest).astype(np.float32)
