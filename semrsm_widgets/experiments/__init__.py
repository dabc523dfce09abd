"""The paper's questions, one call each: on your own model and images, with baselines, nulls and intervals."""

from semrsm_widgets.experiments.agreement import output_agreement
from semrsm_widgets.experiments.layer_pairs import Comparison, compare
from semrsm_widgets.experiments.matchers import MatcherReport, matcher_report
from semrsm_widgets.experiments.pair_changes import PairChange, RSMDifference, rsm_difference
from semrsm_widgets.experiments.retrieve import retrieval_scores
from semrsm_widgets.experiments.scores import Score, Scores
from semrsm_widgets.experiments.translation import translation_test

__all__ = [
    "Comparison",
    "MatcherReport",
    "PairChange",
    "RSMDifference",
    "Score",
    "Scores",
    "compare",
    "matcher_report",
    "output_agreement",
    "retrieval_scores",
    "rsm_difference",
    "translation_test",
]
