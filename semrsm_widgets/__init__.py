"""See what a vision model finds alike: semantic representational similarity matrices, and widgets to look at them.

The method: Wald et al., "Decoupling Semantic Similarity from Spatial Alignment for Neural Networks", NeurIPS 2024
(arXiv:2410.23107).

    >>> import semrsm_widgets as srsm
    >>> srsm.explore()  # bundled model and photographs, no network
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from semrsm_widgets.analysis import (
        Analysis,
        ExtractionEstimate,
        Matches,
        PatchPlaces,
        Split,
        contribution_difference,
        estimate_extraction,
    )
    from semrsm_widgets.common import __version__ as __version__
    from semrsm_widgets.common import options as options
    from semrsm_widgets.experiments import (
        Comparison,
        MatcherReport,
        PairChange,
        RSMDifference,
        Score,
        Scores,
        compare,
        matcher_report,
        output_agreement,
        retrieval_scores,
        rsm_difference,
        translation_test,
    )
    from semrsm_widgets.extraction import LayerTable, Layout, extract, extract_and_predict, layers, predict
    from semrsm_widgets.figures import comparison_figure, matchers_figure, scores_figure
    from semrsm_widgets.images import Images, Selection, demo_images, load_images
    from semrsm_widgets.launch import explore
    from semrsm_widgets.matching import (
        Assignment,
        Auction,
        BatchOptimal,
        Exact,
        Greedy,
        Identity,
        TopKGreedy,
        affinity,
        dual_bound,
    )
    from semrsm_widgets.models import VisionModel, load_model
    from semrsm_widgets.report import StaticReport, to_html
    from semrsm_widgets.retrieval import (
        SearchResult,
        average_precision,
        chance_average_precision,
        f1_at_k,
        hub_counts,
        label_f1,
        nearest,
        search,
    )
    from semrsm_widgets.rsm import (
        Estimate,
        MatchedGram,
        NullLevel,
        Similarities,
        StreamedRSM,
        aligned_rsm,
        cosine,
        estimate,
        inner_product,
        matched_gram,
        open_gram,
        pooled_rsm,
        rbf,
        rbf_sigma,
        semantic_rsm,
    )
    from semrsm_widgets.statistics import (
        PermutationTest,
        Statistic,
        UndefinedStatisticError,
        cka,
        doubly_centred,
        jackknife,
        js_divergence,
        permutation_test,
        rsa,
        smallest_eigenvalue,
    )
    from semrsm_widgets.storage import open_tokens
    from semrsm_widgets.tokens import Tokens
    from semrsm_widgets.views import (
        AuctionStepper,
        CompareView,
        Explorer,
        PairView,
        RetrievalView,
        RSMView,
        TransformLab,
    )

__all__ = [
    "Analysis",
    "Assignment",
    "Auction",
    "AuctionStepper",
    "BatchOptimal",
    "CompareView",
    "Comparison",
    "Estimate",
    "Exact",
    "Explorer",
    "ExtractionEstimate",
    "Greedy",
    "Identity",
    "Images",
    "LayerTable",
    "Layout",
    "MatchedGram",
    "MatcherReport",
    "Matches",
    "NullLevel",
    "PairChange",
    "PairView",
    "PatchPlaces",
    "PermutationTest",
    "RSMDifference",
    "RSMView",
    "RetrievalView",
    "Score",
    "Scores",
    "SearchResult",
    "Selection",
    "Similarities",
    "Split",
    "StaticReport",
    "Statistic",
    "StreamedRSM",
    "Tokens",
    "TopKGreedy",
    "TransformLab",
    "UndefinedStatisticError",
    "VisionModel",
    "affinity",
    "aligned_rsm",
    "average_precision",
    "chance_average_precision",
    "cka",
    "compare",
    "comparison_figure",
    "contribution_difference",
    "cosine",
    "demo_images",
    "doubly_centred",
    "dual_bound",
    "estimate",
    "estimate_extraction",
    "explore",
    "extract",
    "extract_and_predict",
    "f1_at_k",
    "hub_counts",
    "inner_product",
    "jackknife",
    "js_divergence",
    "label_f1",
    "layers",
    "load_images",
    "load_model",
    "matched_gram",
    "matcher_report",
    "matchers_figure",
    "nearest",
    "open_gram",
    "open_tokens",
    "options",
    "output_agreement",
    "permutation_test",
    "pooled_rsm",
    "predict",
    "rbf",
    "rbf_sigma",
    "retrieval_scores",
    "rsa",
    "rsm_difference",
    "scores_figure",
    "search",
    "semantic_rsm",
    "smallest_eigenvalue",
    "to_html",
    "translation_test",
]

# Where each name lives. A module is imported when a name of it is first used: the command line answers without waiting
# for torch, and the core works without a widget library.
_MODULES = {
    "common": ("__version__", "options"),
    "images": (
        "Images",
        "Selection",
        "demo_images",
        "load_images",
    ),
    "models": (
        "VisionModel",
        "load_model",
    ),
    "tokens": ("Tokens",),
    "storage": ("open_tokens",),
    "statistics": (
        "PermutationTest",
        "Statistic",
        "UndefinedStatisticError",
        "cka",
        "doubly_centred",
        "jackknife",
        "js_divergence",
        "permutation_test",
        "rsa",
        "smallest_eigenvalue",
    ),
    "extraction": (
        "LayerTable",
        "Layout",
        "extract",
        "extract_and_predict",
        "layers",
        "predict",
    ),
    "matching": (
        "Assignment",
        "Auction",
        "BatchOptimal",
        "Exact",
        "Greedy",
        "Identity",
        "TopKGreedy",
        "affinity",
        "dual_bound",
    ),
    "rsm": (
        "Estimate",
        "MatchedGram",
        "NullLevel",
        "Similarities",
        "StreamedRSM",
        "aligned_rsm",
        "cosine",
        "estimate",
        "inner_product",
        "matched_gram",
        "open_gram",
        "pooled_rsm",
        "rbf",
        "rbf_sigma",
        "semantic_rsm",
    ),
    "analysis": (
        "Analysis",
        "ExtractionEstimate",
        "Matches",
        "PatchPlaces",
        "Split",
        "contribution_difference",
        "estimate_extraction",
    ),
    "retrieval": (
        "SearchResult",
        "average_precision",
        "chance_average_precision",
        "f1_at_k",
        "hub_counts",
        "label_f1",
        "nearest",
        "search",
    ),
    "experiments": (
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
    ),
    "figures": (
        "comparison_figure",
        "matchers_figure",
        "scores_figure",
    ),
    "views": (
        "AuctionStepper",
        "CompareView",
        "Explorer",
        "PairView",
        "RSMView",
        "RetrievalView",
        "TransformLab",
    ),
    "report": (
        "StaticReport",
        "to_html",
    ),
    "launch": ("explore",),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if "ipykernel" in sys.modules:  # a notebook: its reader reads while what the next cells need is imported
    import_module(f"{__name__}.ahead").begin()
