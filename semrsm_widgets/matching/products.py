"""Products of tokens, and how far they may be off: the rounding is bounded by how they are summed, and certified.

A float32 product of D channels is off by up to D u ‖x‖‖y‖, u = 2^-24, whatever order a library sums in. Over a matching
that is at most D u ‖X‖‖Y‖ (Cauchy-Schwarz). D of them is too much for many layers, and libraries that sum in blocks do
so for some shapes only. So channels are multiplied in chunks here, each product added to the last: chunk + chunks
roundings are left. Where that is still more than a matcher can bear, products are float64, and rounded once.

References:
    Higham, *Accuracy and Stability of Numerical Algorithms* (2002), section 3.1 (inner products in any order).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch

FLOAT32_CHUNKS = (256, 128, 64, 32)
"""Channels of a chunk, tried in this order; 32 take a tenth longer than all at once, fewer a third."""
FLOAT64_CHUNK = 4096
_READING = 2
"""Roundings of the two tokens themselves, where float64 tokens are read as float32."""
_SUMS = 2.0**-50
"""For each column: what summing values and bounds in float64 may be off by, with a wide margin."""
_SECOND_ORDER = 1.001  # k u / (1 - k u) for every k that comes up here


@dataclass(frozen=True, kw_only=True)
class Multiplication:
    """How affinities are made, and what a matching's value may be off by for it.

    Attributes:
        dtype: the type in which tokens are multiplied.
        chunk: channels at a time.
        rounding: in units of ‖X‖‖Y‖, no value of a matching of the affinities is further from the true one.
    """

    dtype: torch.dtype
    chunk: int
    rounding: float

    def into(self, out: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> None:
        """Write left (..., S, D) @ right (..., D, T) into `out`, of either type; there is one batch axis, or none."""
        product = out if out.dtype == self.dtype else torch.empty(out.shape, dtype=self.dtype, device=out.device)
        first, more = (torch.mm, product.addmm_) if out.ndim == 2 else (torch.bmm, product.baddbmm_)
        first(left[..., : self.chunk], right[..., : self.chunk, :], out=product)
        for k in range(self.chunk, left.shape[-1], self.chunk):
            more(left[..., k : k + self.chunk], right[..., k : k + self.chunk, :])
        if product is not out:
            out.copy_(product)


def multiplication(channels: int, columns: int, dtype: torch.dtype, bearable: float) -> Multiplication:
    """Return the fastest way to make affinities of a type that is off by no more than a matcher can bear.

    Args:
        channels: D.
        columns: the larger of S and T.
        dtype: of the affinities, float32 or float64.
        bearable: the rounding that may come of it, in units of ‖X‖‖Y‖.
    """
    return _multiplication(channels, columns, dtype, bearable, dtype == torch.float32 and _is_float32_itself())


@lru_cache(maxsize=256)
def _multiplication(channels: int, columns: int, dtype: torch.dtype, bearable: float, narrow: bool) -> Multiplication:
    """Return how to multiply; `narrow` says whether float32 products may be tried."""
    sums = columns * _SUMS
    if narrow:
        for most in FLOAT32_CHUNKS:
            chunk, roundings = _evenly(channels, most)
            rounding = (roundings + _READING) * _SECOND_ORDER * 2.0**-24 + sums
            if rounding <= bearable:
                return Multiplication(dtype=dtype, chunk=chunk, rounding=rounding)
    chunk, roundings = _evenly(channels, FLOAT64_CHUNK)
    rounding = roundings * _SECOND_ORDER * 2.0**-53 + sums
    if dtype == torch.float32:
        rounding += 2.0**-24  # once, when it is stored
    return Multiplication(dtype=torch.float64, chunk=chunk, rounding=rounding)


def _evenly(channels: int, most: int) -> tuple[int, int]:
    """Return the channels of each of the fewest equal chunks, and the roundings of a product summed by them."""
    chunks = -(-channels // most)
    chunk = -(-channels // chunks)
    return chunk, chunk + chunks - 1


def _is_float32_itself() -> bool:
    """Return whether torch multiplies float32 as such, and was not told that TF32 or bfloat16 will do."""
    return torch.get_float32_matmul_precision() == "highest" and not torch.backends.cuda.matmul.allow_tf32
