"""What a semantic similarity reaches between unrelated tokens: the level beside which every value is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from semrsm_widgets.common import float64_home
from semrsm_widgets.matching import check_answer

from .gram import MatchedGram

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from semrsm_widgets.matching import Assignment, Matcher

    from .kernels import Kernel

# The null's size: the standard error of its mean is then about a tenth of its spread.
NULL_PAIRS = 96
# Tokens of this many bytes, and affinities of this many entries, at once: a fraction of a second, after which the
# work can be cancelled.
_BLOCK_BYTES = 64 * 2**20
_BLOCK_ENTRIES = 2**25


@dataclass(frozen=True, kw_only=True)
class NullLevel:
    """What the semantic similarity reaches between unrelated tokens.

    The semantic value is a maximum over assignments, so it is above zero even for noise. The null keeps everything
    (norms, spatial smoothness, the spectrum of both images) but the meaning of the channels: one image of a sampled
    pair has its channels permuted, by one permutation for all its tokens.

    Attributes:
        mean: mean over the sampled pairs, in the kernel's units.
        quantile95: their 95 % quantile.
        n: number of sampled pairs.
    """

    mean: float
    quantile95: float
    n: int

    @classmethod
    def of(cls, grams: Sequence[MatchedGram], kernel: Kernel) -> NullLevel:
        """Return the level of sampled pairs under a kernel.

        Args:
            grams: 1 x 1, one for each sampled pair, as `null_grams` gives them.
            kernel: of a Gram; the RBF needs a fixed σ.
        """
        values = np.array([kernel(gram).item() for gram in grams])
        return cls(mean=float(values.mean()), quantile95=float(np.quantile(values, 0.95)), n=len(values))


def null_grams(
    values: torch.Tensor,
    matcher: Matcher,
    *,
    n: int,
    seed: int,
    progress: Callable[[int, int], None],
    part: torch.Tensor | None = None,
) -> list[MatchedGram]:
    """Return one 1 x 1 Gram for each of n sampled pairs of different images, so that any kernel can be applied to it.

    Args:
        values: (N, S, D) tokens, N at least 2.
        matcher: how tokens are paired.
        n: number of pairs.
        seed: of the sampled pairs and channel permutations.
        progress: called with (pairs done, pairs in all); may raise to cancel.
        part: which tokens of the first image of each pair are matched; all unless given. It is the second that has its
            channels permuted.
    """
    count, tokens_per_image, channels = values.shape
    rng = np.random.default_rng(seed)
    i = rng.integers(count, size=n)
    j = (i + rng.integers(1, count, size=n)) % count  # never the same image
    order = torch.from_numpy(np.stack([rng.permutation(channels) for _ in range(n)]))
    block = min(_BLOCK_BYTES // (8 * tokens_per_image * channels), _BLOCK_ENTRIES // tokens_per_image**2)
    block = max(1, block)
    grams: list[MatchedGram] = []
    for start in range(0, n, block):
        progress(start, n)
        some = slice(start, min(start + block, n))
        x = _widened(values[torch.from_numpy(i[some])])
        if part is not None:
            x = x[:, part.to(x.device)]
        channel = order[some].to(values.device)[:, None, :].expand(-1, tokens_per_image, -1)
        y = _widened(values[torch.from_numpy(j[some])]).gather(2, channel)
        answer, home = check_answer(matcher(x, y), len(x), x.shape[1]), float64_home(x.device)
        grams += _one_pair_grams(answer, x.to(home).double(), y.to(home).double(), repr(matcher))
    progress(n, n)
    return grams


def _widened(values: torch.Tensor) -> torch.Tensor:
    """Return half-precision tokens as float32, and others as they are: float32 does not hold what float64 does."""
    return values if values.dtype == torch.float64 else values.float()


def _one_pair_grams(assignment: Assignment, x: torch.Tensor, y: torch.Tensor, matcher: str) -> list[MatchedGram]:
    """Return a (1, 1) Gram for each of B pairs of token sets (B, S, D), so that any kernel can be applied to it."""
    x_mean, y_mean = x.mean(1), y.mean(1)
    columns = {
        "products": torch.from_numpy(assignment.value),
        "upper_bound": torch.from_numpy(assignment.upper_bound),
        "pooled_products": (x_mean * y_mean).sum(1),
    }
    norms = {
        "x_sq_norms": x.square().sum((1, 2)),
        "y_sq_norms": y.square().sum((1, 2)),
        "x_pooled_sq_norms": x_mean.square().sum(1),
        "y_pooled_sq_norms": y_mean.square().sum(1),
    }
    matrices = {name: column.cpu().numpy().reshape(-1, 1, 1) for name, column in columns.items()}
    vectors = {name: norm.cpu().numpy().reshape(-1, 1) for name, norm in norms.items()}
    return [
        MatchedGram(
            **{name: column[k] for name, column in {**matrices, **vectors}.items()},
            sizes=(x.shape[1], y.shape[1]),
            symmetric=False,
            matcher=matcher,
        )
        for k in range(len(assignment))
    ]
