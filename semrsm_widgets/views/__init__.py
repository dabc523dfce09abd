"""The views: widgets over an Analysis."""

from semrsm_widgets.views._explore import explore
from semrsm_widgets.views.compare_view import CompareView
from semrsm_widgets.views.explorer import Explorer
from semrsm_widgets.views.pair_view import PairView
from semrsm_widgets.views.report import StaticReport, to_html
from semrsm_widgets.views.retrieval_view import RetrievalView
from semrsm_widgets.views.rsm_view import RSMView
from semrsm_widgets.views.transform_lab import TransformLab

__all__ = [
    "CompareView",
    "Explorer",
    "PairView",
    "RSMView",
    "RetrievalView",
    "StaticReport",
    "TransformLab",
    "explore",
    "to_html",
]
