"""A few pairs of plain arrays in one call of compiled code: for a pair of 49 tokens, all else would take longer.

Whatever is not plain (another type or scale, NaN, many or large pairs, no compiler) is left to `blocks.py`, which says
what is wrong with it, if anything is.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from semrsm_widgets.tokens import Tokens

from .affinities import Affinities, padded
from .assignment import Assignment
from .block_plan import OWN_BLOCK_BYTES
from .own_products import seconds_of
from .products import Multiplication, multiplication
from .solvers.engine import is_ready
from .threads import BRIEF, Pool
from .token_set import LARGEST_PLAIN_NORM, is_plain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .matcher import CompiledMatcher

_MOST_ROOM = 2**20
"""Numbers of packed tokens that a thread keeps room for."""


class _Room(threading.local):
    """What a thread's last direct call needed; the next is most often like it."""

    sizes: tuple[Any, ...] = ()
    making: tuple[Any, ...] = ()
    arrays: tuple[Any, ...] = ()

    def prepare(self, sizes: tuple[int, int, int, int], made: Multiplication, module: Any) -> None:
        """Make ready for (pairs, S, T, D), whose products are made in some way."""
        if self.sizes == (sizes, made):
            return
        count, rows, columns, depth = sizes
        stride = padded(columns)
        self.arrays = (
            np.zeros(count * rows * stride + stride, np.float32),
            np.arange(count, dtype=np.int64) * (rows * stride),
            np.empty(count),
            np.empty(count, np.int64),
            np.empty(count, np.int64),
        )
        self.making = module.making(
            module.PAIRS, depth=depth, chunk=made.chunk, rounding=made.rounding, most=LARGEST_PLAIN_NORM,
            room=np.empty(-(-columns // module.PANEL) * module.PANEL * depth, np.float32),
        )  # fmt: skip
        self.sizes = (sizes, made)


_room = _Room()
_never = np.zeros(1, np.int64)


def match_few(matcher: CompiledMatcher, x: Any, y: Any) -> Assignment | None:
    """Return the assignment of B pairs of token sets of S <= T tokens, if it is there in a moment; else None.

    Args:
        matcher: one whose auction compiled code may run.
        x: (B, S, D) whatever a user passed.
        y: (B, T, D) likewise.
    """
    left, right = _plain(x), _plain(y)
    if left is None or right is None:
        return None
    count, rows, depth = left.shape
    columns = right.shape[1]
    if len(right) != count or right.shape[2] != depth or rows > columns or not is_ready(np.float32):
        return None
    stride = padded(columns)
    if count * seconds_of(rows, columns, depth) >= BRIEF or count * rows * stride > OWN_BLOCK_BYTES // 4:
        return None
    made = multiplication(depth, columns, torch.float32, matcher.bearable)
    limits = matcher.limits(columns, made.rounding)
    if limits is None or made.dtype != torch.float32 or columns * depth > _MOST_ROOM:
        return None
    kernel, gap, bids = limits
    _room.prepare((count, rows, columns, depth), made, kernel.module)
    products, starts, norms, status, made_bids = _room.arrays
    permutation, value, bound = np.empty((count, rows), np.int64), np.empty(count), np.empty(count)
    ended = kernel.match(
        (left.reshape(-1), right.reshape(-1)), _room.making, products, (starts, norms), (stride, rows, columns),
        (gap, bids), _never, (permutation, value, bound, status, made_bids),
    )  # fmt: skip
    found = Assignment(permutation, value, bound)
    if ended == 1:
        return found
    if ended == kernel.module.NOT_PLAIN:
        return None
    affinities = Affinities(products, starts, stride, rows, columns, made.rounding)
    return matcher.settle(affinities, norms, Pool.here(), found, status)


def _plain(value: Any) -> NDArray[np.float32] | None:
    """Return the numbers (B, S, D) of tokens that are multiplied as they are; None of others."""
    numbers: NDArray[np.float32]
    if is_plain(value):
        numbers = value
        return numbers
    if isinstance(value, Tokens):
        value = value.values
    if type(value) is not torch.Tensor or value.dtype != torch.float32 or value.ndim != 3 or not value.numel():
        return None  # stored tokens, for one, are a type of their own
    if value.layout != torch.strided or not (value.is_cpu and value.is_contiguous()):
        return None
    numbers = value.detach().numpy()
    return numbers
