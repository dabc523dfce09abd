"""See what a vision model finds alike: semantic representational similarity matrices, and widgets to look at them.

The method: Wald et al., "Decoupling Semantic Similarity from Spatial Alignment for Neural Networks", NeurIPS 2024
(arXiv:2410.23107).

    >>> import semrsm_widgets as srsm
    >>> srsm.explore()  # bundled model and photographs, no network
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from semrsm_widgets.analysis import Analysis, Matches, NullLevel, Similarities
    from semrsm_widgets.features import LayerTable, Layout, Tokens, extract, layers, predict
    from semrsm_widgets.images import Images, demo_images, load_images
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
    from semrsm_widgets.rsm import (
        Estimate,
        MatchedGram,
        aligned_rsm,
        cosine,
        estimate,
        inner_product,
        matched_gram,
        pooled_rsm,
        rbf,
        rbf_sigma,
        semantic_rsm,
    )
    from semrsm_widgets.views import Explorer, PairView, RSMView, explore

__version__ = "0.1.0"

__all__ = [
    "Analysis",
    "Assignment",
    "Auction",
    "BatchOptimal",
    "Estimate",
    "Exact",
    "Explorer",
    "Greedy",
    "Identity",
    "Images",
    "LayerTable",
    "Layout",
    "MatchedGram",
    "Matches",
    "NullLevel",
    "PairView",
    "RSMView",
    "Similarities",
    "Tokens",
    "TopKGreedy",
    "VisionModel",
    "affinity",
    "aligned_rsm",
    "cosine",
    "demo_images",
    "dual_bound",
    "estimate",
    "explore",
    "extract",
    "inner_product",
    "layers",
    "load_images",
    "load_model",
    "matched_gram",
    "pooled_rsm",
    "predict",
    "rbf",
    "rbf_sigma",
    "semantic_rsm",
]

# Where each name lives. A module is imported when a name of it is first used: the command line answers without waiting
# for torch, and the core works without a widget library.
_MODULES = {
    "analysis": ("Analysis", "Matches", "NullLevel", "Similarities"),
    "features": ("LayerTable", "Layout", "Tokens", "extract", "layers", "predict"),
    "images": ("Images", "demo_images", "load_images"),
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
    "models": ("VisionModel", "load_model"),
    "rsm": (
        "Estimate",
        "MatchedGram",
        "aligned_rsm",
        "cosine",
        "estimate",
        "inner_product",
        "matched_gram",
        "pooled_rsm",
        "rbf",
        "rbf_sigma",
        "semantic_rsm",
    ),
    "views": ("Explorer", "PairView", "RSMView", "explore"),
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
