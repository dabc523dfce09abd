"""The certified auction: options, and what happens when a pair cannot be certified at the first attempt."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from semrsm_widgets.common import check_int, check_number, message, read_numbers

from .affinities import Affinities
from .assignment import Assignment, Fallbacks
from .block_plan import check_memory
from .blocks import match_batch, match_batches, match_sets, transposed
from .direct_call import match_few
from .exact import Exact
from .matcher import Limits, PairJob, Products
from .solvers import multiplier, torch_auction
from .solvers.engine import is_ready, kernel_for
from .threads import Pool, default_threads
from .token_set import read_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

FLOAT64_BELOW = 1e-6
"""Gaps below this ask for more than float32 affinities and prices hold."""
ROUNDING_SHARE = 0.5
"""The part of the gap that the rounding of products may take; the auction has the rest."""
LARGEST_EXACT = 3136
"""Tokens up to which SciPy is the last resort: there it takes about 10 s a pair, and grows with the cube."""
LISTS_FROM = 700
"""Columns from which rows keep candidate lists: faster at 784, slower at 400 (docs/matching.md)."""
BIDS_PER_ROW = 2000
"""The worst price war seen took 461."""
SECONDS_PER_ENTRY = 3e-9
"""Of an affinity: 2e-9 to 7e-9 on image features, ten times that in the worst price war seen."""
COMMON_SCALE = 40
"""Affinities of magnitude 2**-40 to 2**40 are solved as they are; others are rescaled first."""
LARGEST_NORM = 2**20
"""Times T and an affinity's largest magnitude. Prices for more would overflow, and what holds for less holds for it."""
SMALLEST_NORM = 2**-60
"""Times an affinity's largest magnitude: a gap relative to less than that is below what float64 tells apart."""


@dataclass(frozen=True, kw_only=True)
class Auction:
    """The optimal one-to-one matching up to a certified gap, by an ε-scaled auction; the default.

    A dual bound proves for every pair that the value is within gap * ‖X‖‖Y‖ of the optimum, so a cosine entry is
    within `gap`, whatever D is: the rounding of the products is part of it, and `upper_bound` lies above the true
    optimum (docs/matching.md). On image features the true error is far smaller still. A pair that cannot be certified
    in float32 is solved again in float64, then by `Exact`; the answer's `fallbacks` says how often.

    Args:
        gap: the certified error, in units of cosine similarity; below 1e-6 affinities and prices are float64. Products
            are float64 where the rounding of float32 products could take more than half of the gap.
        threads: the threads over which pairs are shared; None takes the cores that torch may use.
        device: "cpu" matches by the compiled auction, wherever the tokens are and are multiplied (on an accelerator
            the next block is multiplied meanwhile); "same" matches where the tokens are, by torch's operations alone.
            That is tested on the CPU, where it is far slower; of its speed elsewhere nothing is known.

    Raises:
        ValueError: gap outside [1e-10, 1), threads below 1, or another device.

    References:
        Bertsekas, *The auction algorithm* (1988). What is maximised is the matching of Wald et al., arXiv:2410.23107.

    Example:
        >>> x = np.array([[[3.0, 0.0], [0.0, 2.0]]])
        >>> answer = Auction()(x, x[:, ::-1])
        >>> answer.permutation, answer.value
        (array([[1, 0]]), array([13.]))
    """

    gap: float = 1e-4
    threads: int | None = None
    device: Literal["cpu", "same"] = "cpu"

    def __repr__(self) -> str:
        """Name what the answer depends on; threads do not change it."""
        return f"Auction(gap={self.gap!r})" if self.device == "cpu" else f"Auction(gap={self.gap!r}, device='same')"

    def __post_init__(self) -> None:
        todo = "For the optimum itself use Exact()."
        gap = check_number("gap", self.gap, minimum=1e-10, maximum=0.999, todo=todo)
        object.__setattr__(self, "gap", gap)  # a number, whatever it was written as
        if self.threads is not None:
            check_int("threads", self.threads, minimum=1)
        if not isinstance(self.device, str) or self.device not in ("cpu", "same"):
            todo = "Tokens are multiplied where they are in either case; move them to choose where."
            raise ValueError(message("device", "'cpu' or 'same'", repr(self.device), todo))

    @property
    def dtype(self) -> torch.dtype:
        """The precision in which products are wanted."""
        return torch.float64 if self.gap < FLOAT64_BELOW else torch.float32

    @property
    def bearable(self) -> float:
        """The rounding of products that it can bear, in units of ‖X‖‖Y‖."""
        return ROUNDING_SHARE * self.gap

    @property
    def _entry(self) -> np.dtype[Any]:
        """The dtype of the affinities, as NumPy names it."""
        return np.dtype(np.float64 if self.dtype == torch.float64 else np.float32)

    @property
    def workers(self) -> int:
        """The number of threads over which pairs are shared."""
        return self.threads or default_threads()

    def __call__(self, x: Any, y: Any) -> Assignment:
        """Return the certified assignment of B pairs of token sets (B, S, D), (B, T, D)."""
        if self.device == "same":
            return match_batch(self, x, y, self._solve_tensor)
        answer = match_few(self, x, y)
        return match_batch(self, x, y) if answer is None else answer

    def is_ready(self, columns: int) -> bool:
        """Return whether images of at most `columns` tokens match at once, with nothing to compile; never waits."""
        products = self.dtype != torch.float32 or multiplier.is_loaded()
        return products and all(is_ready(self._entry, lists=lists) for lists in {False, columns >= LISTS_FROM})

    def prepare(self, columns: int) -> None:
        """Compile what matching images of at most `columns` tokens needs; the first match would do it by itself."""
        for lists in {False, columns >= LISTS_FROM}:
            kernel_for(self._entry, lists=lists)
        if self.dtype == torch.float32:
            multiplier.multiplier()

    def match_sets(self, job: PairJob) -> Products:
        """Return the products of all pairs of a job."""
        if self.device == "cpu":
            return match_sets(self, job)
        room = job.memory // torch_auction.COPIES
        check_memory(torch_auction.COPIES * self.dtype.itemsize * job.x.size * job.y.size, job)
        return match_batches(self, job, room)

    def solve(self, affinity: Any, norms: Any) -> Assignment:
        """Return the certified assignment of given affinities.

        Args:
            affinity: (..., S, T) inner products, float32 or float64; batch axes are flattened to B.
            norms: (...) products ‖X‖‖Y‖ of the two token sets' Frobenius norms; the gap is relative to them.

        Raises:
            TypeError: not numbers.
            ValueError: NaN or infinity, an affinity whose entries' sums leave float64, or norms that do not fit it.
        """
        given = read_array("affinity", affinity)
        swap = given.ndim >= 2 and given.shape[-2] > given.shape[-1]
        affinities = Affinities.read(np.swapaxes(given, -1, -2) if swap else given)
        scale = _read_norms(norms, np.shape(given)[:-2])
        affinities, exponents, peaks = _to_unit_scale(affinities, self.gap)
        with np.errstate(over="ignore", under="ignore"):  # what the limits are for
            scaled = np.ldexp(scale.reshape(-1), -exponents)
        scaled = np.clip(scaled, SMALLEST_NORM * peaks, LARGEST_NORM * affinities.columns * peaks)
        with Pool(self.workers) as pool:
            if self.device == "same":
                tensor = torch.from_numpy(affinities.stacked())
                tensor = tensor.to(affinity.device) if isinstance(affinity, torch.Tensor) else tensor
                answer = self._solve_tensor(tensor, scaled, pool)
            else:
                answer = self.solve_pairs(affinities, scaled, pool)
        if swap:
            answer = transposed(answer, affinities.columns)
        return replace(
            answer, value=np.ldexp(answer.value, exponents), upper_bound=np.ldexp(answer.upper_bound, exponents)
        )

    def solve_pairs(self, affinities: Affinities, norms: NDArray[np.float64], pool: Pool) -> Assignment:
        """Return the certified assignment of every pair of a block of S x T affinities, S <= T."""
        return _widened(self._solve_pairs(affinities, norms, pool, affinities.flat.dtype), affinities, norms)

    def limits(self, columns: int, rounding: float) -> Limits | None:
        """Return what compiled code needs to know to make products, too; None if it shall not.

        Args:
            columns: T; from 700 on, where rows keep candidate lists, the interpreter's part does not count.
            rounding: of the products, in units of ‖X‖‖Y‖.
        """
        if self.device != "cpu" or self.gap < FLOAT64_BELOW or columns >= LISTS_FROM:
            return None
        kernel = kernel_for(np.float32)
        if kernel is None or not kernel.makes_products or kernel.flag is None:
            return None
        return Limits(kernel, self.gap - rounding, BIDS_PER_ROW * columns)

    def settle(
        self, affinities: Affinities, norms: NDArray[np.float64], pool: Pool, found: Assignment,
        status: NDArray[np.int64],
    ) -> Assignment:  # fmt: skip
        """Return what compiled code found for float32 products within `limits`, pairs not certified solved again."""
        return _widened(self._answer(affinities, norms, pool, np.dtype(np.float32), found, status), affinities, norms)

    def _solve_tensor(
        self, affinity: torch.Tensor, norms: NDArray[np.float64], pool: Pool, rounding: float = 0.0
    ) -> Assignment:
        """Return the certified assignment of affinities (P, S, T), S <= T, solved where they are."""
        found = torch_auction.solve(affinity, norms, self.gap - rounding, BIDS_PER_ROW * affinity.shape[2])
        fallbacks = Fallbacks()
        for k in np.flatnonzero(~found.certified).tolist():
            one = replace(Affinities.read(affinity[k : k + 1]), rounding=rounding)
            again, which = self._solve_again(one, norms[k : k + 1], pool, np.dtype(np.float32))
            found.permutation[k], found.value[k], found.upper_bound[k] = (
                again.permutation[0], again.value[0], again.upper_bound[0],
            )  # fmt: skip
            fallbacks += which
        return Assignment(found.permutation, found.value, found.upper_bound + rounding * norms, fallbacks)

    def _solve_pairs(
        self, affinities: Affinities, norms: NDArray[np.float64], pool: Pool, price: np.dtype[Any]
    ) -> Assignment:
        """Solve with prices of a dtype; pairs that are not certified are solved again, with more precision."""
        lists = affinities.columns >= LISTS_FROM
        engine = kernel_for(affinities.flat.dtype, price, lists)
        if engine is None:
            return Exact().solve_pairs(affinities, norms, pool)
        count, cap = len(affinities), BIDS_PER_ROW * affinities.columns
        if pool.is_within:
            permutation, value, bound, status, _ = engine.solve(
                affinities, norms, self.gap - affinities.rounding, cap, pool.cancel, price, slice(0, count), lists
            )
            return self._answer(affinities, norms, pool, price, Assignment(permutation, value, bound), status)
        permutation, value, bound = np.zeros((count, affinities.rows), np.int64), np.zeros(count), np.zeros(count)
        status = np.zeros(count, np.int64)

        def solve(part: slice) -> None:
            permutation[part], value[part], bound[part], status[part], _ = engine.solve(
                affinities, norms, self.gap - affinities.rounding, cap, pool.cancel, price, part, lists
            )

        pool.run(solve, count, SECONDS_PER_ENTRY * affinities.rows * affinities.columns)
        return self._answer(affinities, norms, pool, price, Assignment(permutation, value, bound), status)

    def _answer(
        self, affinities: Affinities, norms: NDArray[np.float64], pool: Pool, price: np.dtype[Any], found: Assignment,
        status: NDArray[np.int64],
    ) -> Assignment:  # fmt: skip
        """Return what was found, and solve again what is not certified."""
        if not np.count_nonzero(status) or pool.cancel[0]:  # nobody waits for what was cancelled
            return found
        permutation, value, bound = found.permutation, found.value, found.upper_bound
        fallbacks = Fallbacks()
        for k in np.flatnonzero(status).tolist():
            one = replace(affinities, starts=affinities.starts[k : k + 1])
            again, which = self._solve_again(one, norms[k : k + 1], pool, price)
            permutation[k], value[k], bound[k] = again.permutation[0], again.value[0], again.upper_bound[0]
            fallbacks += which
        return Assignment(permutation, value, bound, fallbacks)

    def _solve_again(
        self, affinity: Affinities, norm: NDArray[np.float64], pool: Pool, price: np.dtype[Any]
    ) -> tuple[Assignment, Fallbacks]:
        """Solve one pair that was not certified: with float64 prices, then by SciPy while that can end."""
        if price == np.float32:
            answer = self._solve_pairs(affinity, norm, pool, np.dtype(np.float64))
            return answer, answer.fallbacks if answer.fallbacks.exact else Fallbacks(float64=1)
        if affinity.columns > LARGEST_EXACT:
            raise RuntimeError(
                f"A pair of {affinity.columns} tokens could not be certified within {self.gap:g} by {BIDS_PER_ROW} "
                f"bids a row, and is too large for SciPy. Ask for a larger gap, or pool the tokens to a smaller grid."
            )
        return Exact().solve_pairs(affinity, norm, pool), Fallbacks(exact=1)


def _widened(answer: Assignment, affinities: Affinities, norms: NDArray[np.float64]) -> Assignment:
    """Return the answer with bounds for the tokens of which the affinities were made."""
    bound = answer.upper_bound
    bound += affinities.rounding * norms
    return answer


def _read_norms(norms: Any, batch: tuple[int, ...]) -> NDArray[np.float64]:
    """Return ‖X‖‖Y‖ of each pair, checked."""
    expected = f"of shape {batch}, finite and not negative: ‖X‖‖Y‖ of each pair"
    array, _ = read_numbers("norms", norms)
    if array.dtype.kind not in "fiu":
        raise TypeError(message("norms", expected, f"dtype {array.dtype}"))
    scale = array.astype(np.float64)
    if scale.shape != batch or not np.all(np.isfinite(scale) & (scale >= 0)):
        got = str(scale.shape) if scale.shape != batch else "a negative, NaN or infinite one"
        raise ValueError(message("norms", expected, got))
    return scale


def _to_unit_scale(affinities: Affinities, gap: float) -> tuple[Affinities, NDArray[np.int64], NDArray[np.float64]]:
    """Return affinities at a scale and precision that prices can hold.

    With them come the exponents taken out of each pair, and each pair's largest magnitude then.
    """
    count, flat = len(affinities), affinities.flat
    if gap < FLOAT64_BELOW and flat.dtype == np.float32:
        flat = flat.astype(np.float64)
    each = affinities.rows * affinities.stride
    pairs = flat[: count * each].reshape(count, each)
    peaks = np.maximum(pairs.max(1), -pairs.min(1)).astype(np.float64)
    if count and peaks.max() > np.finfo(np.float64).max / affinities.columns:
        todo = "Divide the affinity by its largest entry, and the norms, too."
        raise ValueError(message("affinity", "such that a sum of its entries is finite", f"{peaks.max():g}", todo))
    exponents = np.frexp(peaks)[1].astype(np.int64)
    if not count or np.abs(exponents).max() <= COMMON_SCALE:
        return replace(affinities, flat=flat), np.zeros(count, np.int64), peaks
    scaled = flat.copy()
    scaled[: pairs.size] = np.ldexp(pairs, -exponents[:, None]).reshape(-1)
    return replace(affinities, flat=scaled), exponents, np.ldexp(peaks, -exponents)
