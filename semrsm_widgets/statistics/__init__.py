"""Numbers with their intervals: comparisons of matrices, and what they are made of."""

from .centred import PEARSON, UNBIASED, MeanFree, u_centred
from .comparison import (
    RSMStatistic,
    aligned,
    check_statistic,
    cka,
    doubly_centred,
    is_spearman,
    jackknife,
    jackknife_ready,
    make_ready,
    product_of,
    rsa,
    rsa_of_ranks,
)
from .divergence import Divergence, check_probabilities, js_divergence
from .permutation import PermutationTest, check_permutations, permutation_test
from .spearman import Ranked
from .spectrum import relative_smallest, smallest_eigenvalue
from .statistic import (
    UNIT,
    Statistic,
    UndefinedStatisticError,
    check_matrix,
    check_rsm,
    from_replicates,
    mean_of,
    undefined,
)
from .streamed import RowsInFile, RSMBlocks, UCentredRows, is_streamed

__all__ = [
    "PEARSON",
    "UNBIASED",
    "UNIT",
    "Divergence",
    "MeanFree",
    "PermutationTest",
    "RSMBlocks",
    "RSMStatistic",
    "Ranked",
    "RowsInFile",
    "Statistic",
    "UCentredRows",
    "UndefinedStatisticError",
    "aligned",
    "check_matrix",
    "check_permutations",
    "check_probabilities",
    "check_rsm",
    "check_statistic",
    "cka",
    "doubly_centred",
    "from_replicates",
    "is_spearman",
    "is_streamed",
    "jackknife",
    "jackknife_ready",
    "js_divergence",
    "make_ready",
    "mean_of",
    "permutation_test",
    "product_of",
    "relative_smallest",
    "rsa",
    "rsa_of_ranks",
    "smallest_eigenvalue",
    "u_centred",
    "undefined",
]
