"""Numbers with their intervals: comparisons of matrices, and what they are made of."""

from .comparison import (
    PermutationTest,
    RSMStatistic,
    check_permutations,
    check_statistic,
    cka,
    doubly_centred,
    jackknife,
    permutation_test,
    rsa,
    rsa_of_ranks,
    smallest_eigenvalue,
)
from .divergence import check_probabilities, js_divergence
from .spearman import Ranked
from .statistic import UNIT, Statistic, UndefinedStatisticError, check_matrix, from_replicates, mean_of, undefined
from .streamed import RSMBlocks, is_streamed

__all__ = [
    "UNIT",
    "PermutationTest",
    "RSMBlocks",
    "RSMStatistic",
    "Ranked",
    "Statistic",
    "UndefinedStatisticError",
    "check_matrix",
    "check_permutations",
    "check_probabilities",
    "check_statistic",
    "cka",
    "doubly_centred",
    "from_replicates",
    "is_streamed",
    "jackknife",
    "js_divergence",
    "mean_of",
    "permutation_test",
    "rsa",
    "rsa_of_ranks",
    "smallest_eigenvalue",
    "undefined",
]
