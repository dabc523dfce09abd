"""Two images and the patches that they share."""

from .still import pair_still, put_back
from .view import PairView, check_top_k

__all__ = ["PairView", "check_top_k", "pair_still", "put_back"]
