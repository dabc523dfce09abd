"""An Analysis as one HTML file that needs no kernel and no network."""

from .report import StaticReport, analysis_at_once, static, to_html

__all__ = ["StaticReport", "analysis_at_once", "static", "to_html"]
