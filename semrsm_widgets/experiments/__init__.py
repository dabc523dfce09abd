"""The paper's questions, one call each: on your own model and images, with baselines, nulls and intervals."""

from .agreement import output_agreement
from .layer_pairs import Comparison, LayerPair, check_same_images, compare
from .matchers import MatcherReport, matcher_report
from .pair_changes import PairChange, RSMDifference, rsm_difference
from .retrieve import retrieval_scores
from .scores import Score, Scores
from .translation import translation_test

__all__ = [
    "Comparison",
    "LayerPair",
    "MatcherReport",
    "PairChange",
    "RSMDifference",
    "Score",
    "Scores",
    "check_same_images",
    "compare",
    "matcher_report",
    "output_agreement",
    "retrieval_scores",
    "rsm_difference",
    "translation_test",
]
