"""An Assignment becomes a matched Gram, and every kernel of it an RSM; beside it the level of unrelated tokens."""

from .cost import Estimate, estimate
from .gram import MatchedGram
from .kernels import Kernel, UndefinedKernelError, checked_kernel, cosine, inner_product, kernel_name, rbf, rbf_sigma
from .null import NULL_PAIRS, NullLevel, null_grams
from .rsm import aligned_rsm, matched_gram, pooled_rsm, semantic_rsm
from .similarities import Similarities

__all__ = [
    "NULL_PAIRS",
    "Estimate",
    "Kernel",
    "MatchedGram",
    "NullLevel",
    "Similarities",
    "UndefinedKernelError",
    "aligned_rsm",
    "checked_kernel",
    "cosine",
    "estimate",
    "inner_product",
    "kernel_name",
    "matched_gram",
    "null_grams",
    "pooled_rsm",
    "rbf",
    "rbf_sigma",
    "semantic_rsm",
]
