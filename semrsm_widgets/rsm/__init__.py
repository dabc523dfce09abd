"""An Assignment becomes a matched Gram, and every kernel of it an RSM; beside it the level of unrelated tokens."""

from .cost import Estimate, announce, estimate
from .gram import MatchedGram
from .kernels import (
    Kernel,
    UndefinedKernelError,
    check_kernel,
    cosine,
    inner_product,
    kernel_key,
    kernel_name,
    rbf,
    rbf_sigma,
)
from .lazy_gram import PAIR_BYTES, LazyGram, token_gram
from .null import NULL_PAIRS, NullLevel, null_grams
from .overview import Overview, RSMWindow
from .rsm import aligned_rsm, matched_gram, pooled_rsm, semantic_rsm
from .similarities import (
    BASELINES,
    EXPLAINED,
    PATCH_SIMILARITIES,
    SIMILARITIES,
    Similarities,
    SimilarityWords,
    similarity_of,
)
from .stored_gram import StoredGram, kept_gram, open_gram
from .stream import StreamedRSM

__all__ = [
    "BASELINES",
    "EXPLAINED",
    "NULL_PAIRS",
    "PAIR_BYTES",
    "PATCH_SIMILARITIES",
    "SIMILARITIES",
    "Estimate",
    "Kernel",
    "LazyGram",
    "MatchedGram",
    "NullLevel",
    "Overview",
    "RSMWindow",
    "Similarities",
    "SimilarityWords",
    "StoredGram",
    "StreamedRSM",
    "UndefinedKernelError",
    "aligned_rsm",
    "announce",
    "check_kernel",
    "cosine",
    "estimate",
    "inner_product",
    "kept_gram",
    "kernel_key",
    "kernel_name",
    "matched_gram",
    "null_grams",
    "open_gram",
    "pooled_rsm",
    "rbf",
    "rbf_sigma",
    "semantic_rsm",
    "similarity_of",
    "token_gram",
]
