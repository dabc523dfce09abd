"""The views: widgets over an Analysis."""

from semrsm_widgets.report import StaticReport, to_html
from semrsm_widgets.views.compare import CompareView
from semrsm_widgets.views.explorer import Explorer
from semrsm_widgets.views.pair import PairView
from semrsm_widgets.views.retrieval import RetrievalView
from semrsm_widgets.views.rsm import RSMView
from semrsm_widgets.views.transform_lab import TransformLab

from ._explore import explore

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
