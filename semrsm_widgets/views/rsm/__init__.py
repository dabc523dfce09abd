"""Heatmaps of all images, by layer."""

from .view import ORDERS, RSMView

__all__ = ["ORDERS", "RSMView"]
