"""Images and tokens, everything that is asked of them, and how they are kept."""

from .analysis import Analysis, check_analysis
from .archive import MATCHERS
from .costs import KEPT_LAYERS, gram_share, layer_costs
from .extraction_cost import ExtractionEstimate, estimate_extraction
from .inputs import present
from .matches import Matches, contribution_difference
from .patch_places import PatchPlaces
from .recipe import AnalysisRecipe, named
from .splits import Split
from .stored_grams import gram_names, gram_place

__all__ = [
    "KEPT_LAYERS",
    "MATCHERS",
    "Analysis",
    "AnalysisRecipe",
    "ExtractionEstimate",
    "Matches",
    "PatchPlaces",
    "Split",
    "check_analysis",
    "contribution_difference",
    "estimate_extraction",
    "gram_names",
    "gram_place",
    "gram_share",
    "layer_costs",
    "named",
    "present",
]
