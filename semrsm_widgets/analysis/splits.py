"""How a similarity of two images splits over their patches, and why one image is nearer to a query than another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


SIMILARITIES = ("best match", "same position", "mean token", "class token")
"""What can be explained: semantic, aligned, pooled, and the class token, which does not split over patches."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Split:
    """One similarity of images i and j as a sum over the tokens of i.

    Attributes:
        value: the similarity, a cosine; `contribution` adds up to it.
        partner: (S,) int64, the token of j that each token of i is compared with; -1 where there is none, as for the
            mean token.
        token_cosine: (S,) float64, cosine of each token of i with its partner, or with the mean token of j; NaN where
            there is nothing to compare with.
        contribution: (S,) float64, what each token of i contributes to `value`; may be negative.
        other_token_cosine: (T,) float64, the same cosine for the tokens of j.
        other_contribution: (T,) float64, the same value as a sum over the tokens of j.
    """

    value: float
    partner: NDArray[np.int64]
    token_cosine: NDArray[np.float64]
    contribution: NDArray[np.float64]
    other_token_cosine: NDArray[np.float64]
    other_contribution: NDArray[np.float64]

    def __repr__(self) -> str:
        return f"Split({self.value:.4f} over {len(self.contribution)} and {len(self.other_contribution)} patches)"


def paired_split(x: NDArray[np.float64], y: NDArray[np.float64], partner: NDArray[np.int64]) -> Split:
    """Return the split of Σ <x_s, y_partner(s)> / (‖X‖‖Y‖); the sum may be over any pairing, one-to-one or not.

    Args:
        x: (S, D) tokens of image i.
        y: (T, D) tokens of image j.
        partner: (S,) int64, a token of j for each token of i; -1 for none.
    """
    norm = float(np.linalg.norm(x) * np.linalg.norm(y)) or 1.0  # an all-zero image: every value is 0
    paired = np.flatnonzero(partner >= 0)
    products = np.einsum("sd,sd->s", x[paired], y[partner[paired]])
    norms = np.linalg.norm(x[paired], axis=1) * np.linalg.norm(y[partner[paired]], axis=1)
    contribution = np.zeros(len(x))
    contribution[paired] = products / norm
    token_cosine = np.full(len(x), np.nan)
    token_cosine[paired] = _ratio(products, norms)
    # Where several tokens of i share a partner, its cosine is that of the strongest of them.
    other_cosine = np.full(len(y), np.nan)
    rising = paired[np.argsort(products, kind="stable")]
    other_cosine[partner[rising]] = token_cosine[rising]
    other_contribution = np.zeros(len(y))
    np.add.at(other_contribution, partner[paired], contribution[paired])
    return Split(
        value=float(contribution.sum()),
        partner=partner,
        token_cosine=token_cosine,
        contribution=contribution,
        other_token_cosine=other_cosine,
        other_contribution=other_contribution,
    )


def mean_token_split(x: NDArray[np.float64], y: NDArray[np.float64]) -> Split:
    """Return the split of <x̄, ȳ> / (‖x̄‖‖ȳ‖): each token against the other image's mean token."""
    mean_x, mean_y = x.mean(0), y.mean(0)
    norms = float(np.linalg.norm(mean_x)), float(np.linalg.norm(mean_y))
    norm = norms[0] * norms[1] or 1.0
    return Split(
        value=float(mean_x @ mean_y / norm),
        partner=np.full(len(x), -1, dtype=np.int64),
        token_cosine=_ratio(x @ mean_y, np.linalg.norm(x, axis=1) * norms[1]),
        contribution=x @ mean_y / (len(x) * norm),
        other_token_cosine=_ratio(y @ mean_x, np.linalg.norm(y, axis=1) * norms[0]),
        other_contribution=y @ mean_x / (len(y) * norm),
    )


def _ratio(products: NDArray[np.float64], norms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return products / norms, 0 where a token is all zero."""
    return np.divide(products, norms, out=np.zeros_like(products), where=norms > 0)
