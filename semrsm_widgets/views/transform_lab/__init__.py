"""One picture, moved about."""

from .view import TransformLab

__all__ = ["TransformLab"]
