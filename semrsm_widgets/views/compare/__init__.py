"""Two models on the same images: layers against layers, and what differs in one cell."""

from .view import CompareView

__all__ = ["CompareView"]
