"""Contributions of patches as products of their cosines with token norms, so that a report need not keep both.

A contribution is <x_s, y_t> / (‖X‖‖Y‖) and a cosine <x_s, y_t> / (‖x_s‖‖y_t‖), so one follows from the other by what
depends on single images alone: the share ‖x_s‖ / ‖X‖ of each token in its image's norm. For the mean token it is
‖x_s‖ / (S ‖x̄‖).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semrsm_widgets.tokens import Tokens

    Array = NDArray[np.float32]


@dataclass(frozen=True)
class Product:
    """An array of a pair's message as a product.

    Attributes:
        cosine: the array of cosines.
        partner: the array that says which token of the other image each is compared with; "same": the one at the same
            position; "mean": the mean token.
        side: 0 where it stands for the tokens of image A, 1 for those of B.
    """

    cosine: str
    partner: str
    side: int = 0


PRODUCTS = {
    "contribution": Product("cosine", "permutation"),
    "nearest_contribution": Product("nearest_cosine", "nearest"),
    "aligned_contribution": Product("aligned_cosine", "same"),
    "pooled_contribution": Product("pooled_cosine", "mean"),
    "other_pooled_contribution": Product("other_pooled_cosine", "mean", side=1),
}
"""The arrays of PairView's messages that are products."""

# Relative to the largest: more than float32 rounding, less than anyone sees.
_TOLERANCE = 1e-4


@dataclass(frozen=True, eq=False)
class Shares:
    """What of each token's norm enters a contribution: (S,) float32 each; see the module."""

    whole: Array
    mean: Array


def token_shares(tokens: Tokens, image: int) -> Shares:
    """Return the shares of one image's tokens; 0 where the image has none."""
    x = tokens.values[image].cpu().double().numpy()
    norms = np.linalg.norm(x, axis=1)
    whole, mean = float(np.linalg.norm(x)), len(x) * float(np.linalg.norm(x.mean(0)))
    return Shares(*((norms / (size or 1.0)).astype(np.float32) for size in (whole, mean)))


def is_product(name: str, arrays: Mapping[str, Array], shares: tuple[Shares, Shares]) -> bool:
    """Return whether an array of a message is the product that it is thought to be.

    Args:
        name: the array's.
        arrays: all arrays of the message.
        shares: of images A and B.
    """
    product = PRODUCTS[name]
    if product.cosine not in arrays:
        return False
    cosine, own, other = arrays[product.cosine], shares[product.side], shares[1 - product.side]
    if product.partner == "mean":
        weight: Any = own.mean
    elif product.partner == "same":
        weight = own.whole * other.whole if len(own.whole) == len(other.whole) else np.nan
    else:
        partner = arrays[product.partner]
        weight = own.whole * np.where(partner >= 0, other.whole[partner], 0)
    known = arrays[name]
    predicted = np.nan_to_num(cosine) * weight
    return bool(np.abs(predicted - known).max(initial=0.0) <= _TOLERANCE * np.abs(known).max(initial=0.0))
