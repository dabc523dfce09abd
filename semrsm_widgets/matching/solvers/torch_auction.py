"""The auction in plain torch, for a batch of pairs on any device: all rows without a column bid at once.

The same prices, ε and certificate as the compiled auction's, but where that lets one row bid after another, here every
row that holds no column bids at the same time, in all pairs of the batch, and each column goes to its highest bidder.
That takes more bids. It is here to be chosen (`Auction(device="same")`); nothing is known of its speed on an
accelerator, and on the CPU it is far slower than the compiled auction.

References:
    Bertsekas, *The auction algorithm: a distributed relaxation method for the assignment problem* (1988), section 2
    (the Jacobi version).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from semrsm_widgets.common import float64_home

from .schedule import EXTRA_PHASES, WORTH_CERTIFYING, schedule, target

if TYPE_CHECKING:
    from numpy.typing import NDArray

COPIES = 8
"""Of a batch's affinities, that are held at most: as multiplied, as solved, and profits with what ranks them."""
_ENTRIES = 2**22
"""Profits that are held at a time; rows beyond them bid after the others have."""


class Batch(NamedTuple):
    """The answer for B pairs: permutation (B, S), value, upper_bound and which are certified, each (B,)."""

    permutation: NDArray[np.int64]
    value: NDArray[np.float64]
    upper_bound: NDArray[np.float64]
    certified: NDArray[np.bool_]


def solve(affinity: torch.Tensor, norms: NDArray[np.float64], gap: float, cap: int) -> Batch:
    """Return the assignment of B pairs; what is not certified has no meaning.

    Args:
        affinity: (B, S, T), S <= T, at a scale that its dtype holds.
        norms: (B,) products of the Frobenius norms; the gap is relative to them.
        gap: the certified gap, in units of cosine similarity.
        cap: bids of a pair after which it is given up.
    """
    count, rows, columns = affinity.shape
    permutation = np.tile(np.arange(rows), (count, 1))
    value, bound = np.zeros(count), np.zeros(count)
    if columns == 1:
        value = bound = affinity[:, 0, 0].cpu().double().numpy()
    certified = (norms == 0) | (columns == 1)
    open_pairs = np.flatnonzero(~certified)
    if open_pairs.size:
        auction = _Auction(affinity[torch.from_numpy(open_pairs).to(affinity.device)], norms[open_pairs], gap, cap)
        found = auction.run()
        for whole, part in zip((permutation, value, bound, certified), found, strict=True):
            whole[open_pairs] = part
    return Batch(permutation, value, bound, certified)


class _Auction:
    """The state of B pairs of n columns: prices (B, n), and who holds what, -1 for none. ε is in units of `means`."""

    def __init__(self, affinity: torch.Tensor, norms: NDArray[np.float64], gap: float, cap: int) -> None:
        count, self.rows, self.columns = affinity.shape
        self.affinity = affinity
        # the rows that a pair lacks are zero: all of them read this one
        self.read = torch.nn.functional.pad(affinity, (0, 0, 0, 1)) if self.rows < self.columns else affinity
        self.target, self.norms, self.cap = target(gap, 1.0), norms, cap
        self.eps, self.factor, self.phases = schedule(gap, 1.0)
        self.means = torch.from_numpy(norms / self.columns).to(affinity.dtype).to(affinity.device)
        self.prices = affinity.mean(1) * (self.rows / self.columns)
        self.owner = torch.full((count, self.columns), -1, device=affinity.device)
        self.column = self.owner.clone()
        self.bids = torch.zeros(count, dtype=torch.int64, device=affinity.device)
        self.given_up = torch.zeros(count, dtype=torch.bool, device=affinity.device)

    def run(self) -> Batch:
        """Go through the phases until every pair is certified or given up."""
        count = len(self.affinity)
        permutation = np.zeros((count, self.rows), np.int64)
        value, bound, certified = np.zeros(count), np.zeros(count), np.zeros(count, bool)
        for _ in range(self.phases + EXTRA_PHASES):
            done = torch.from_numpy(certified).to(self.prices.device) | self.given_up
            if done.all():
                break
            self._phase(done)
            if WORTH_CERTIFYING * self.eps <= self.target:
                chosen, values, bounds = self._certificate()
                passed = ~certified & ~self.given_up.cpu().numpy() & (bounds - values <= self.target * self.norms)
                permutation[passed], value[passed], bound[passed] = chosen[passed], values[passed], bounds[passed]
                certified |= passed
            self.eps *= self.factor
        return Batch(permutation, value, np.maximum(bound, value), certified)

    def _phase(self, done: torch.Tensor) -> None:
        """Take all columns back, and let rows bid until each of an open pair's holds one."""
        self.owner.fill_(-1)
        self.column.fill_(-1)
        self.column[done] = 0
        room = max(1, _ENTRIES // self.columns)
        while True:
            pair, row = torch.nonzero(self.column < 0, as_tuple=True)
            if not len(pair):
                return
            for first in range(0, len(pair), room):
                self._bid(pair[first : first + room], row[first : first + room])
            self.given_up |= self.bids > self.cap
            self.column[self.given_up] = 0

    def _bid(self, pair: torch.Tensor, row: torch.Tensor) -> None:
        """Let some rows bid at once; each column goes to the highest bid, of equal ones to the last row's."""
        profit = self.read[pair, row.clamp(max=self.read.shape[1] - 1)] - self.prices[pair]
        (best, second), (column, _) = (part.unbind(1) for part in profit.topk(2, dim=1))
        at = pair * self.columns + column
        prices, owner = self.prices.view(-1), self.owner.view(-1)
        offer = prices[at] + ((best - second) + self.means[pair] * self.eps)
        # an offer that the dtype cannot tell from the price, or not hold, would be made again and again
        self.given_up[pair[~((offer > prices[at]) & offer.isfinite())]] = True
        prices.scatter_reduce_(0, at, offer, "amax")
        highest = offer == prices[at]
        pair, row, column, at = pair[highest], row[highest], column[highest], at[highest]
        winner = torch.full_like(owner, -1).scatter_reduce_(0, at, row, "amax")
        won = winner[at] == row
        pair, row, column, at = pair[won], row[won], column[won], at[won]
        evicted = owner[at]
        held = evicted >= 0
        self.column[pair[held], evicted[held]] = -1
        owner[at] = row
        self.column[pair, row] = column
        self.bids.scatter_add_(0, pair, torch.ones_like(pair))

    def _certificate(self) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.float64]]:
        """Return the permutations, their values and the dual bounds of the prices, in float64.

        The bound is `dual_bound` of assignment.py, which tests hold it equal to.
        """
        home = float64_home(self.prices.device)
        chosen = self.column[:, : self.rows].to(home)
        values, bounds = [], []
        for k, price in enumerate(self.prices.to(home).double()):
            matrix = self.affinity[k].to(home).double()
            values.append(matrix.gather(1, chosen[k, :, None]).sum())
            missing = (self.columns - self.rows) * -price.min()
            bounds.append((matrix - price).amax(1).sum() + price.sum() + missing)
        return chosen.cpu().numpy(), torch.stack(values).cpu().numpy(), torch.stack(bounds).cpu().numpy()
