"""The views: widgets over an Analysis."""

from semrsm_widgets.views.explorer import Explorer, explore
from semrsm_widgets.views.pair_view import PairView
from semrsm_widgets.views.report import StaticReport, to_html
from semrsm_widgets.views.retrieval_view import RetrievalView
from semrsm_widgets.views.rsm_view import RSMView

__all__ = ["Explorer", "PairView", "RSMView", "RetrievalView", "StaticReport", "explore", "to_html"]
