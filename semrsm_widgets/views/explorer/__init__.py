"""The views linked: what explore() shows."""

from .view import Explorer

__all__ = ["Explorer"]
